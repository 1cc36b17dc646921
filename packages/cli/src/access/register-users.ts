import type { RegisterCommand } from "../command.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { publicKey } from "../public-key.ts";
import { printTable } from "../table.ts";

/** `trellis users`: people, the groups they are in and the keys that act for them. */
export const registerUsers: RegisterCommand = (users, context) => {
  const { terminal } = context;

  users
    .command("list", { isDefault: true })
    .description("every person, their groups and keys")
    .option("--cursor <cursor>", "go on where the last page ended")
    .example("trellis users list")
    .action((options: { cursor?: string }) =>
      withOperator(context, async (operator) => {
        const page = await answerOf(operator.rpc.auth.usersList(options));
        terminal.answer(page, () => {
          printTable(
            terminal,
            ["NAME", "GROUPS", "KEYS", "STATE"],
            page.users.map(({ name, groups, keys, active }) => [
              name,
              groups.join(", ") || "-",
              keys.join("\n") || "-",
              active ? "active" : "inactive",
            ]),
            "No people yet. Add one with: trellis users create <name>",
          );
          if (page.nextCursor !== undefined) terminal.note(`more: trellis users list --cursor ${page.nextCursor}`);
        });
      }),
    );

  users
    .command("create")
    .description("make a person known")
    .argument("<name>")
    .option("--group <name...>", "what they may do: the groups they are in")
    .example("trellis users create ada --group admin")
    .action((name: string, { group: groups }: { group?: string[] }) =>
      withOperator(context, async (operator) => {
        const user = await answerOf(
          operator.rpc.auth.usersCreate({ name, ...(groups === undefined ? {} : { groups }) }),
        );
        terminal.answer(user, () => {
          terminal.print(`created ${user.name}${user.groups.length > 0 ? ` in ${user.groups.join(", ")}` : ""}`);
          terminal.print(
            `next: trellis keys new ${user.name}.seed, then trellis users add-key ${user.name} <public key>`,
          );
        });
      }),
    );

  users
    .command("add-key")
    .description("let a key act for a person")
    .argument("<name>")
    .argument("<key>", "the public half, from trellis keys", publicKey)
    .example("trellis users add-key ada A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg")
    .action((name: string, key: string) =>
      withOperator(context, async (operator) => {
        const user = await answerOf(operator.rpc.auth.usersAddKey({ user: name, key }));
        terminal.answer(user, () => {
          terminal.print(`the key ${key} acts for ${user.name}`);
          terminal.print(
            `next: on their machine, TRELLIS_USER_KEY_FILE=<file> TRELLIS_URL=<this platform> trellis status`,
          );
        });
      }),
    );
};
