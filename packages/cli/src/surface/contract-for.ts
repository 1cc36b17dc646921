import { type AnyContract, contractFromManifest, defineAgentContract, type Manifest } from "@trellis/contracts";
import type { FoundKind } from "./find-surface.ts";

/** The contract of one `trellis call`, `start`, `watch`, `feed` or `listen`: it may do exactly the one thing that was typed. */
export function contractFor(kind: FoundKind, owner: Manifest, name: string): AnyContract {
  const target = contractFromManifest(owner);
  switch (kind) {
    case "rpc":
      return defineAgentContract({
        id: "trellis-call@v1",
        displayName: "trellis call",
        description: `Calls ${name} once for the person who typed it.`,
        uses: { required: { target: target.use({ rpc: { call: [name] } }) } },
      });
    case "operations":
      return defineAgentContract({
        id: "trellis-start@v1",
        displayName: "trellis start",
        description: `Starts and watches ${name} for the person who typed it.`,
        uses: { required: { target: target.use({ operations: { call: [name] } }) } },
      });
    case "feeds":
      return defineAgentContract({
        id: "trellis-feed@v1",
        displayName: "trellis feed",
        description: `Reads ${name} for the person who typed it.`,
        uses: { required: { target: target.use({ feeds: { subscribe: [name] } }) } },
      });
    case "events":
      return defineAgentContract({
        id: "trellis-listen@v1",
        displayName: "trellis listen",
        description: `Hears ${name} for the person who typed it.`,
        uses: { required: { target: target.use({ events: { subscribe: [name] } }) } },
      });
  }
}
