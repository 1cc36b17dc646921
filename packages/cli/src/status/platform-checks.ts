import { connect as connectTcp } from "node:net";
import type { PlatformAccess } from "@trellis/client/node";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { askHttp, memberOf } from "../platform-client/ask-http.ts";
import { withClient } from "../platform-client/connect.ts";
import { operatorContract } from "../platform-client/operator-contract.ts";
import { findAccess } from "../platform-client/reach-platform.ts";
import { readChecks } from "./checks.ts";
import type { Finding } from "./finding.ts";

/** More than this and people wonder about times in logs; runtimes correct it by themselves. */
const CLOCK_MS = 5_000;
const PATIENCE_MS = 10_000;

/** Is there a platform, is it ready, does it know us, can NATS be reached: each needs the one before. */
export async function checkPlatform(context: CommandContext): Promise<readonly Finding[]> {
  const found = accessOf(context);
  if ("state" in found) return [found];
  const { url } = found;
  const info = await askHttp(url, "/readyz", context.signal);
  if (!info.ok) {
    return [
      {
        name: "platform",
        state: "problem",
        detail: `nobody answers at ${url}: ${info.problem}`,
        next: "trellis up, or correct TRELLIS_URL",
      },
    ];
  }
  const clock = await checkClock(context, url);
  if (info.status !== 200) return [notReady(url, info.body), ...clock];
  return [
    { name: "platform", state: "ok", detail: `${url} is ready` },
    ...warnings(info.body),
    ...clock,
    ...(await checkConnection(context)),
  ];
}

/** What works and somebody should look at all the same. */
function warnings(body: unknown): readonly Finding[] {
  return readChecks(body).flatMap(({ name, warning, detail = "needs a look" }) =>
    warning ? [{ name, state: "problem" as const, detail }] : [],
  );
}

function accessOf(context: CommandContext): PlatformAccess | Finding {
  try {
    return findAccess(context);
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    const { what, why = [], next = [] } = error.parts;
    return { name: "platform", state: "problem", detail: [what, ...why].join(": "), next: next.join("; ") };
  }
}

function notReady(url: string, body: unknown): Finding {
  const failing = readChecks(body)
    .filter(({ ready }) => !ready)
    .map(({ name, detail = "does not hold" }) => `${name} (${detail})`);
  return {
    name: "platform",
    state: "problem",
    detail: `${url} answers and is not ready: ${failing.join(", ") || "it does not say why"}`,
    next: "trellis logs shows what it meets",
  };
}

/** Half the round trip is how far the answer's time is behind ours at most. */
async function checkClock({ signal }: CommandContext, url: string): Promise<readonly Finding[]> {
  const { BOOTSTRAP_PATHS } = await import("@trellis/protocol");
  const answer = await askHttp(url, BOOTSTRAP_PATHS.info, signal);
  const serverNow = answer.ok ? memberOf(answer.body, "serverNow") : undefined;
  if (!answer.ok || typeof serverNow !== "number") return [];
  const offMs = Math.round(Date.now() - answer.tookMs / 2 - serverNow);
  const seconds = `${(Math.abs(offMs) / 1000).toFixed(1)} s`;
  if (Math.abs(offMs) <= CLOCK_MS) return [{ name: "clock", state: "ok", detail: `${seconds} from the platform's` }];
  return [
    {
      name: "clock",
      state: "problem",
      detail: `this machine is ${seconds} ${offMs > 0 ? "ahead of" : "behind"} the platform; connecting corrects it, logs will not agree`,
      next: "switch on time synchronisation (NTP)",
    },
  ];
}

/** One session: that it is granted says that the key is accepted, that it opens says that NATS can be reached. */
async function checkConnection(context: CommandContext): Promise<readonly Finding[]> {
  try {
    const { session } = await withClient(
      context,
      operatorContract,
      (client) => answerOf(client.request("Auth.Sessions.Me", {})),
      PATIENCE_MS,
    );
    return [
      { name: "key", state: "ok", detail: `accepted as ${session.principal.name}` },
      { name: "NATS", state: "ok", detail: "connected, and a signed call was answered" },
    ];
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    const { what, why = [], next = [] } = error.parts;
    const name = error.exitCode === EXIT.unreachable ? "NATS" : "key";
    const advice =
      next.filter((line) => !line.includes("doctor")).join("; ") || "trellis logs shows what the platform met";
    return [
      { name, state: "problem", detail: [what, ...why].join(": "), next: advice },
      ...(await checkLocalNats(context)),
    ];
  }
}

/** Whether the servers of a local platform listen at all. */
async function checkLocalNats({ cwd }: CommandContext): Promise<readonly Finding[]> {
  const { findPlatformFolder, readNatsServers } = await import("../local/platform-folder.ts");
  const folder = findPlatformFolder(cwd);
  const servers = folder === undefined ? [] : readNatsServers(folder);
  return Promise.all(
    servers.map(async (server): Promise<Finding> => {
      const listens = await canDial(new URL(server));
      return listens
        ? { name: "NATS", state: "ok", detail: `${server} listens` }
        : {
            name: "NATS",
            state: "problem",
            detail: `nobody listens at ${server}`,
            next: "stop the platform with Ctrl-C and start it again",
          };
    }),
  );
}

function canDial({ hostname, port }: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: hostname, port: Number(port), timeout: 2_000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}
