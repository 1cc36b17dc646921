import { canonicalJson, compareManifests, contractDigest, type Json, listSurfaces } from "@trellis/contracts";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import type { Terminal } from "../terminal.ts";
import { contractMarkdown } from "./contract-markdown.ts";
import { readContract } from "./read-contract.ts";

export async function checkContract({ terminal, cwd }: CommandContext, path: string): Promise<void> {
  const { manifest, warnings } = await readContract(path, cwd);
  const surfaces = listSurfaces(manifest);
  const digest = contractDigest(manifest);
  terminal.answer({ id: manifest.id, kind: manifest.kind, digest, surfaces: surfaces.length, warnings }, () => {
    const count = `${surfaces.length} surface${surfaces.length === 1 ? "" : "s"}`;
    terminal.print(`${terminal.colors.green("ok")} ${manifest.id} (${manifest.kind}), ${count}, digest ${digest}`);
    for (const warning of warnings) terminal.print(`${terminal.colors.yellow("note")} ${warning}`);
  });
}

export async function printDigest({ terminal, cwd }: CommandContext, path: string): Promise<void> {
  const { manifest } = await readContract(path, cwd);
  const digest = contractDigest(manifest);
  terminal.answer({ digest }, () => terminal.print(digest));
}

export async function printCanonical({ terminal, cwd }: CommandContext, path: string): Promise<void> {
  const { manifest } = await readContract(path, cwd);
  // A manifest is JSON; reading it back is how the compiler gets to know.
  const json: Json = JSON.parse(JSON.stringify(manifest));
  terminal.print(canonicalJson(json));
}

export async function diffContracts(context: CommandContext, olderPath: string, newerPath: string): Promise<void> {
  const { terminal, cwd } = context;
  const [older, newer] = await Promise.all([readContract(olderPath, cwd), readContract(newerPath, cwd)]);
  const { verdict, changes } = compareManifests(older.manifest, newer.manifest);
  terminal.answer({ verdict, changes }, () => {
    const color = verdict === "breaking" ? terminal.colors.red : terminal.colors.green;
    terminal.print(`${older.manifest.id} → ${newer.manifest.id}: ${color(verdict)}`);
    for (const change of changes) printChange(terminal, change);
  });
  if (verdict === "breaking") context.setExitCode(EXIT.no);
}

export async function printDocs({ terminal, cwd }: CommandContext, path: string): Promise<void> {
  const { manifest } = await readContract(path, cwd);
  const markdown = contractMarkdown(manifest);
  terminal.answer({ markdown }, () => terminal.print(markdown));
}

type Change = ReturnType<typeof compareManifests>["changes"][number];

function printChange(terminal: Terminal, { kind, path, message, breaks }: Change): void {
  const sign = { added: "+", removed: "-", changed: "~" }[kind];
  const broken = breaks.length > 0 ? terminal.colors.red(`  breaks ${breaks.join(", ")}`) : "";
  terminal.print(`  ${sign} ${path}  ${message}${broken}`);
}
