import { canonicalJson, compareManifests, contractDigest, listSurfaces, normalizeManifest } from "@trellis/contracts";
import type { RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { contractMarkdown } from "./contract-markdown.ts";
import { readContract } from "./read-contract.ts";

/** `trellis contract …`: needs no platform. */
export const registerContract: RegisterCommand = (program, context) => {
  const { terminal, cwd } = context;
  const contract = program.command("contract").description("Check, compare and print contracts; needs no platform.");

  contract
    .command("check")
    .description("say everything that is wrong with a contract")
    .argument("[path]", "manifest, module or folder", ".")
    .addHelpText("after", "\nExample:\n  trellis contract check ./orders")
    .action(async (path: string) => {
      const { manifest, warnings } = await readContract(path, cwd);
      const surfaces = listSurfaces(manifest);
      const digest = contractDigest(manifest);
      terminal.answer({ id: manifest.id, kind: manifest.kind, digest, surfaces: surfaces.length, warnings }, () => {
        terminal.print(`${terminal.colors.green("ok")} ${manifest.id} (${manifest.kind}), ${surfaces.length} surfaces, digest ${digest}`);
        for (const warning of warnings) terminal.print(`${terminal.colors.yellow("note")} ${warning}`);
      });
    });

  contract
    .command("digest")
    .description("print the digest and nothing else")
    .argument("<file>", "manifest, module or folder")
    .addHelpText("after", "\nExample:\n  trellis contract digest contract.ts")
    .action(async (path: string) => {
      const { manifest } = await readContract(path, cwd);
      const digest = contractDigest(manifest);
      terminal.answer({ digest }, () => terminal.print(digest));
    });

  contract
    .command("canonical")
    .description("print the normalized manifest as canonical JSON and nothing else")
    .argument("<file>", "manifest, module or folder")
    .addHelpText("after", "\nExample:\n  trellis contract canonical contract.ts > orders.json")
    .action(async (path: string) => {
      const { manifest } = await readContract(path, cwd);
      terminal.print(canonicalJson(normalizeManifest(manifest)));
    });

  contract
    .command("diff")
    .description("what changed between two contracts and who it breaks; exit code 1 when it breaks somebody")
    .argument("<old>", "manifest, module or folder")
    .argument("<new>", "manifest, module or folder")
    .addHelpText("after", "\nExample:\n  trellis contract diff orders-v1.json ./orders --json")
    .action(async (olderPath: string, newerPath: string) => {
      const [older, newer] = await Promise.all([readContract(olderPath, cwd), readContract(newerPath, cwd)]);
      const { verdict, changes } = compareManifests(older.manifest, newer.manifest);
      terminal.answer({ verdict, changes }, () => {
        const color = verdict === "breaking" ? terminal.colors.red : terminal.colors.green;
        terminal.print(`${older.manifest.id} → ${newer.manifest.id}: ${color(verdict)}`);
        const signs = { added: "+", removed: "-", changed: "~" } as const;
        for (const change of changes) {
          const breaks = change.breaks.length > 0 ? terminal.colors.red(`  breaks ${change.breaks.join(", ")}`) : "";
          terminal.print(`  ${signs[change.kind]} ${change.path}  ${change.message}${breaks}`);
        }
      });
      if (verdict === "breaking") context.setExitCode(EXIT.no);
    });

  contract
    .command("docs")
    .description("print the reference of a contract as Markdown")
    .argument("[path]", "manifest, module or folder", ".")
    .addHelpText("after", "\nExample:\n  trellis contract docs ./orders > orders.md")
    .action(async (path: string) => {
      const { manifest } = await readContract(path, cwd);
      terminal.print(contractMarkdown(manifest));
    });
};
