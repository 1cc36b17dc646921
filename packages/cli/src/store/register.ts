import type { CliCommand } from "../cli-command.ts";
import type { CommandContext, RegisterCommand } from "../command.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { everyPage } from "../platform-client/every-page.ts";
import { ageText, byteText } from "../quantities.ts";
import { requireAcknowledgement } from "../require-acknowledgement.ts";
import { requireDeployment } from "../service/require-deployment.ts";
import { printTable } from "../table.ts";

/** `trellis store`: the object stores of services, to look into, to fetch from, and to change when it must be. */
export const registerStore: RegisterCommand = (store, context) => {
  registerReads(store, context);
  registerWrites(store, context);
};

function registerReads(store: CliCommand, context: CommandContext): void {
  const { terminal } = context;

  store
    .command("list", { isDefault: true })
    .description("every object store, or the objects of one")
    .argument("[service]")
    .argument("[store]", "what its contract calls it")
    .example("trellis store list inventory sheets")
    .action((deployment: string | undefined, alias: string | undefined) =>
      withOperator(context, async (operator) => {
        if (deployment === undefined || alias === undefined) {
          const { listResources } = await import("../service/resources.ts");
          const found = await listResources(operator, {
            kind: "store",
            ...(deployment === undefined ? {} : { deployment }),
          });
          if (found.length === 0) await requireDeployment(operator, deployment);
          terminal.answer(found, () =>
            printTable(
              terminal,
              ["SERVICE", "STORE", "STATE", "SIZE", "CHANGED"],
              found.map((each) => [
                each.deployment,
                each.alias,
                each.state,
                byteText(each.bytes),
                each.changedAt === undefined ? "never" : `${ageText(each.changedAt)} ago`,
              ]),
              deployment === undefined ? "No service keeps an object store." : `${deployment} keeps no object store.`,
            ),
          );
          return;
        }
        const objects = await everyPage(async (from) => {
          const page = await answerOf(operator.rpc.trellis.storeList({ deployment, store: alias, ...from }));
          return { items: page.objects, nextCursor: page.nextCursor };
        });
        terminal.answer(objects, () =>
          printTable(
            terminal,
            ["NAME", "SIZE", "TYPE", "STORED"],
            objects.map((each) => [each.name, byteText(each.size), each.contentType ?? "-", each.at]),
            `${alias} of ${deployment} holds no objects.`,
          ),
        );
      }),
    );

  store
    .command("info")
    .description("size, digest, type and metadata of one object")
    .argument("<service>")
    .argument("<store>")
    .argument("<object>")
    .example("trellis store info inventory sheets today.csv")
    .action((deployment: string, alias: string, name: string) =>
      withOperator(context, async (operator) => {
        const object = await answerOf(operator.rpc.trellis.storeInfo({ deployment, store: alias, name }));
        terminal.answer(object, () => {
          const { metadata, ...facts } = object;
          for (const [member, value] of Object.entries({ ...facts, ...metadata }))
            terminal.print(`${member.padEnd(12)} ${value}`);
        });
      }),
    );

  store
    .command("get")
    .description("fetch an object into a file; it is there whole or not at all")
    .argument("<service>")
    .argument("<store>")
    .argument("<object>")
    .option("--out <file>", "where it goes (default: its name, in this folder)")
    .example("trellis store get inventory sheets today.csv --out sheet.csv")
    .action((deployment: string, alias: string, name: string, options: { out?: string }) =>
      withOperator(context, async (operator) => {
        const { fetchObject } = await import("./fetch-object.ts");
        const fetched = await fetchObject(context, operator, { deployment, store: alias, name }, options.out);
        terminal.answer(fetched, () =>
          terminal.print(`${fetched.file}: ${byteText(fetched.size)}, verified (${fetched.digest})`),
        );
      }),
    );
}

function registerWrites(store: CliCommand, context: CommandContext): void {
  const { terminal } = context;

  store
    .command("put")
    .description("store a file behind the service's back; audited")
    .argument("<service>")
    .argument("<store>")
    .argument("<file>")
    .option("--name <object>", "what it is called there (default: the name of the file)")
    .option("--type <type>", "its content type, such as text/csv")
    .option("--acknowledge", "I know that the service does not expect this")
    .example("trellis store put inventory sheets sheet.csv --name today.csv --acknowledge")
    .action(
      (
        deployment: string,
        alias: string,
        file: string,
        options: { name?: string; type?: string; acknowledge?: true },
      ) => {
        requireAcknowledgement(options.acknowledge, deployment, `trellis store put ${deployment} ${alias} ${file}`);
        return withOperator(context, async (operator) => {
          const { sendFile } = await import("./send-file.ts");
          const stored = await sendFile(context, operator, { deployment, store: alias }, file, options);
          terminal.answer(stored, () => terminal.print(`stored ${stored.name}: ${byteText(stored.size)}`));
        });
      },
    );

  store
    .command("delete")
    .description("remove an object behind the service's back; audited")
    .argument("<service>")
    .argument("<store>")
    .argument("<object>")
    .option("--acknowledge", "I know that the service does not expect this")
    .example("trellis store delete inventory sheets today.csv --acknowledge")
    .action((deployment: string, alias: string, name: string, options: { acknowledge?: true }) => {
      requireAcknowledgement(options.acknowledge, deployment, `trellis store delete ${deployment} ${alias} ${name}`);
      return withOperator(context, async (operator) => {
        const { deleted } = await answerOf(operator.rpc.trellis.storeDelete({ deployment, store: alias, name }));
        terminal.answer({ deleted }, () => terminal.print(deleted ? `removed ${name}` : `there was no ${name}`));
      });
    });
}
