import type { RegisterCommand } from "../command.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { readInput } from "../read-input.ts";
import { wholeNumber } from "../whole-number.ts";

const EXAMPLE = `trellis feed Orders.Live '{"status":"placed"}'`;

interface FeedCommandOptions {
  readonly contract?: string;
  readonly cursor?: string;
  readonly limit?: number;
}

/** `trellis feed`: reads one feed as the signed-in person until Ctrl-C, through a contract that names just that feed. */
export const registerFeed: RegisterCommand = (command, context) => {
  const { terminal } = context;
  command
    .argument("<feed>", "logical name, such as Orders.Live")
    .argument("[input]", "JSON; - reads it from standard input", "{}")
    .option("--contract <id>", "when several contracts have the name")
    .option("--cursor <cursor>", "go on after this place, which an earlier reading printed")
    .option("--limit <frames>", "stop after so many frames", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .example(EXAMPLE)
    .action(async (name: string, written: string, options: FeedCommandOptions) => {
      const input = await readInput(context, written, EXAMPLE);
      const [{ findSurface }, { contractFor }, { withClient }, { asFailure }] = await Promise.all([
        import("../surface/find-surface.ts"),
        import("../surface/contract-for.ts"),
        import("../platform-client/connect.ts"),
        import("../platform-client/as-failure.ts"),
      ]);
      const owner = await withOperator(context, (operator) => findSurface(operator, "feeds", name, options.contract));
      await withClient(context, contractFor("feeds", owner, name), async (client) => {
        const { cursor, limit = Number.POSITIVE_INFINITY } = options;
        const reading = client
          .feed(name)
          .input(input)
          .subscribe({
            signal: context.signal,
            // A person sees that something was missed; leaving because a replica was replaced helps nobody.
            reopen: true,
            onReopen: (why) => terminal.note(`${why.message} Opening it again.`),
            ...(cursor === undefined ? {} : { cursor }),
          });
        let read = 0;
        try {
          for await (const frame of reading) {
            const place = reading.cursor;
            if (terminal.json)
              terminal.print(JSON.stringify({ frame, ...(place === undefined ? {} : { cursor: place }) }));
            else
              terminal.print(
                place === undefined ? JSON.stringify(frame) : `${JSON.stringify(frame)}  ${terminal.colors.dim(place)}`,
              );
            read += 1;
            if (read >= limit) return;
          }
        } catch (error) {
          // Ctrl-C is how one stops looking.
          if (context.signal.aborted) return;
          throw error instanceof Error ? asFailure(error) : error;
        }
        terminal.note(`${name} has ended.`);
      });
    });
};
