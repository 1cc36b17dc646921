import type { StateMap, StateValue } from "@trellis/client";
import type { CliCommand } from "../cli-command.ts";
import type { CommandContext, RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { readInput } from "../read-input.ts";
import { printTable } from "../table.ts";
import { wholeNumber } from "../whole-number.ts";
import { entryJson, entryLine } from "./entry-text.ts";
import { registerOthersState } from "./register-others.ts";

const PUT_EXAMPLE = `trellis state put notes preferences '{"theme":"dark","size":12}'`;

/** `trellis state`: what apps, agents and devices remember for the signed-in person; and, for operators, for others. */
export const registerState: RegisterCommand = (state, context) => {
  registerStores(state, context);
  registerReads(state, context);
  registerWatch(state, context);
  registerWrites(state, context);
  registerOthersState(state, context);
};

function registerStores(state: CliCommand, context: CommandContext): void {
  const { terminal } = context;
  state
    .command("stores", { isDefault: true })
    .description("what is remembered for you, by which contract")
    .example("trellis state stores")
    .action(async () => {
      const [{ lookContract }, { withClient }] = await Promise.all([
        import("./state-contracts.ts"),
        import("../platform-client/connect.ts"),
      ]);
      const { stores } = await withClient(context, lookContract, (client) => answerOf(client.rpc.state.overview({})));
      terminal.answer(stores, () =>
        printTable(
          terminal,
          ["CONTRACT", "STORE", "KIND", "ENTRIES"],
          stores.map(({ contract, store, kind, entries }) => [contract, store, kind, String(entries)]),
          "Nothing is remembered for you here. Apps, agents and devices do it when their contract declares state.",
        ),
      );
    });
}

function registerReads(state: CliCommand, context: CommandContext): void {
  const { terminal } = context;
  state
    .command("get")
    .description("one value; its revision goes to standard error")
    .argument("<contract>", "its name without a version, such as notes")
    .argument("<store>", "what the contract calls it")
    .argument("[key]", "of a map")
    .example("trellis state get notes preferences")
    .action((contract: string, store: string, key: string | undefined) =>
      withStore(context, contract, store, async (stored) => {
        const entry = await answerOf(isMap(stored) ? stored.get(requireKey(store, key)) : stored.get());
        if (entry === undefined)
          throw new CliFailure({
            code: "not_found",
            what: `nothing is remembered as ${[store, key].filter(Boolean).join(" ")}`,
            next: ["trellis state lists what there is of you"],
            exitCode: EXIT.notFound,
          });
        terminal.answer(entryJson(entry), () => {
          const { migrationRequired, revision, at } = entry;
          terminal.note(`revision ${revision}, stored ${at.toISOString()}`);
          if (migrationRequired !== undefined) terminal.note(`as version ${migrationRequired.stateVersion} wrote it`);
          terminal.print(JSON.stringify(migrationRequired?.value ?? entry.value, null, 2));
        });
      }),
    );

  state
    .command("list")
    .description("the entries of a map, in the order of their last writes")
    .argument("<contract>")
    .argument("<store>")
    .argument("[prefix]", "the keys begin with it")
    .example("trellis state list notes notes drafts/")
    .action((contract: string, store: string, prefix: string | undefined) =>
      withStore(context, contract, store, async (stored) => {
        if (!isMap(stored)) throw oneValue(contract, store);
        const { everyPage } = await import("../platform-client/every-page.ts");
        const entries = await everyPage(async (from) => {
          const page = await answerOf(stored.list({ ...from, ...(prefix === undefined ? {} : { prefix }) }));
          for (const problem of page.unreadable) terminal.note(problem.message);
          return { items: page.entries, nextCursor: page.nextCursor };
        });
        terminal.answer(entries.map(entryJson), () => {
          for (const entry of entries) terminal.print(entryLine(terminal, entry));
          if (entries.length === 0) terminal.note(`${store} has no such entry`);
        });
      }),
    );
}

function registerWatch(state: CliCommand, context: CommandContext): void {
  const { terminal } = context;
  state
    .command("watch")
    .description("what there is, then every change from any session, until Ctrl-C")
    .argument("<contract>")
    .argument("<store>")
    .argument("[prefix]", "the keys begin with it")
    .option("--limit <changes>", "stop after so many", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .example("trellis state watch notes preferences")
    .action((contract: string, store: string, prefix: string | undefined, options: { limit?: number }) =>
      withStore(context, contract, store, async (stored) => {
        const { limit = Number.POSITIVE_INFINITY } = options;
        const { signal } = context;
        if (!isMap(stored) && prefix !== undefined) throw oneValue(contract, store);
        const changes = isMap(stored)
          ? stored.watch({ signal, ...(prefix === undefined ? {} : { prefix }) })
          : stored.watch({ signal });
        let told = 0;
        for await (const change of changes) {
          if (change.type === "ready") {
            if (terminal.json) terminal.print(JSON.stringify({ type: "ready" }));
            else terminal.note("that is what there is; changes follow");
            continue;
          }
          if (change.type === "put")
            terminal.answer({ type: "put", ...entryJson(change) }, () => terminal.print(entryLine(terminal, change)));
          else {
            const { type } = change;
            const named = "key" in change ? { key: change.key } : {};
            const what = type === "end" ? { reason: change.reason } : { problem: change.error.message };
            terminal.answer({ type, ...named, ...what }, () =>
              terminal.print([...Object.values(named), terminal.colors.red(Object.values(what).join(""))].join(" ")),
            );
          }
          told += 1;
          if (told >= limit) return;
        }
      }),
    );
}

function registerWrites(state: CliCommand, context: CommandContext): void {
  const { terminal } = context;
  const revision = [
    "--revision <number>",
    "only if it is still there; 0: only if there is nothing",
    wholeNumber(0, 2 ** 53),
  ] as const;
  state
    .command("put")
    .description("store a value that fits the contract")
    .argument("<contract>")
    .argument("<store>")
    .argument("<key-and-value...>", "the key, when it is a map, and JSON; - reads the JSON from standard input")
    .option(...revision)
    .option("--ttl <seconds>", "it ends by itself after this", wholeNumber(1, 315_360_000))
    .example(PUT_EXAMPLE)
    .action((contract: string, store: string, words: readonly string[], options: { revision?: number; ttl?: number }) =>
      withStore(context, contract, store, async (stored) => {
        const written = words.at(-1) ?? "";
        const value = await readInput(context, written, PUT_EXAMPLE);
        const how = {
          ...(options.revision === undefined ? {} : { expectedRevision: options.revision }),
          ...(options.ttl === undefined ? {} : { ttlMs: options.ttl * 1_000 }),
        };
        const key = words.length > 1 ? words[0] : undefined;
        if (!isMap(stored) && key !== undefined) throw oneValue(contract, store);
        const answer = await answerOf(
          isMap(stored) ? stored.put(requireKey(store, key), value, how) : stored.put(value, how),
        );
        terminal.answer(answer, () => terminal.print(`stored at revision ${answer.revision}`));
      }),
    );

  state
    .command("delete")
    .description("end a value, on all your devices")
    .argument("<contract>")
    .argument("<store>")
    .argument("[key]", "of a map")
    .option(...revision)
    .example("trellis state delete notes notes drafts/1")
    .action((contract: string, store: string, key: string | undefined, options: { revision?: number }) =>
      withStore(context, contract, store, async (stored) => {
        const how = options.revision === undefined ? {} : { expectedRevision: options.revision };
        const answer = await answerOf(isMap(stored) ? stored.delete(requireKey(store, key), how) : stored.delete(how));
        terminal.answer(answer, () => terminal.print(answer.existed ? "deleted" : "there was nothing"));
      }),
    );
}

async function withStore<T>(
  context: CommandContext,
  contract: string,
  store: string,
  work: (stored: StateValue | StateMap) => Promise<T>,
): Promise<T> {
  const [{ findStore }, { withClient }] = await Promise.all([
    import("./state-contracts.ts"),
    import("../platform-client/connect.ts"),
  ]);
  const found = await findStore(context, contract, store);
  return withClient(context, found, (client) => {
    const stored = client.state[store];
    if (stored === undefined) throw new Error(`The contract that was made for ${store} does not have it.`);
    return work(stored);
  });
}

function isMap(stored: StateValue | StateMap): stored is StateMap {
  return "list" in stored;
}

function requireKey(store: string, key: string | undefined): string {
  if (key !== undefined) return key;
  throw new CliFailure({
    code: "key_missing",
    what: `${store} is a map`,
    next: ["say which of its entries is meant: give its key"],
    exitCode: EXIT.usage,
  });
}

function oneValue(contract: string, store: string): CliFailure {
  return new CliFailure({
    code: "one_value",
    what: `${store} is one value and has no keys`,
    next: [`trellis state get ${contract} ${store}`],
    exitCode: EXIT.usage,
  });
}
