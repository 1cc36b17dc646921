import { contractDigest, type JsonSchema, type Manifest, type SchemaRef } from "@trellis/contracts";

/** The reference of a contract, for people who will use it. */
export function contractMarkdown(manifest: Manifest): string {
  const sections = [
    heading(manifest),
    capabilities(manifest),
    uses(manifest),
    ...Object.entries(manifest.rpc ?? {}).map(([name, rpc]) =>
      section(`RPC ${name}`, rpc.docs?.summary, [
        ["Subject", code(rpc.subject)],
        ["Needs", needs(rpc.capabilities?.call)],
        ["Errors", list(rpc.errors?.map(({ type }) => type))],
        ["Input", schema(manifest, rpc.input)],
        ["Output", schema(manifest, rpc.output)],
      ]),
    ),
    ...Object.entries(manifest.operations ?? {}).map(([name, operation]) =>
      section(`Operation ${name}`, operation.docs?.summary, [
        ["Subject", code(operation.subject)],
        ["Needs", needs(operation.capabilities?.call)],
        ["Input", schema(manifest, operation.input)],
        ["Progress", operation.progress && schema(manifest, operation.progress)],
        ["Output", schema(manifest, operation.output)],
        ["Signals", list(Object.keys(operation.signals ?? {}))],
      ]),
    ),
    ...Object.entries(manifest.events ?? {}).map(([name, event]) =>
      section(`Event ${name}`, event.docs?.summary, [
        ["Subject", code(event.subject)],
        ["Publish needs", needs(event.capabilities?.publish)],
        ["Subscribe needs", needs(event.capabilities?.subscribe)],
        ["Event", schema(manifest, event.event)],
      ]),
    ),
    ...Object.entries(manifest.feeds ?? {}).map(([name, feed]) =>
      section(`Feed ${name}`, feed.docs?.summary, [
        ["Subject", code(feed.subject)],
        ["Needs", needs(feed.capabilities?.subscribe)],
        ["Input", schema(manifest, feed.input)],
        ["Frame", schema(manifest, feed.event)],
      ]),
    ),
    resources(manifest),
  ];
  return sections.filter((text) => text !== "").join("\n\n");
}

function heading(manifest: Manifest): string {
  const lines = [
    `# ${manifest.displayName}`,
    "",
    manifest.description,
    "",
    `\`${manifest.id}\` · ${manifest.kind} · digest \`${contractDigest(manifest)}\``,
  ];
  if (manifest.docs?.markdown) lines.push("", manifest.docs.markdown);
  return lines.join("\n");
}

function capabilities(manifest: Manifest): string {
  const rows = Object.entries(manifest.capabilities ?? {}).map(
    ([key, { displayName, description, consequence }]) =>
      `- \`${key}\` — ${displayName}. ${description}${consequence ? ` ${consequence}` : ""}`,
  );
  return rows.length === 0 ? "" : ["## Capabilities", "", ...rows].join("\n");
}

function uses(manifest: Manifest): string {
  const rows = (["required", "optional"] as const).flatMap((need) =>
    Object.entries(manifest.uses?.[need] ?? {}).map(([alias, selection]) => {
      const taken = [
        ...(selection.rpc?.call ?? []),
        ...(selection.operations?.call ?? []),
        ...(selection.events?.publish ?? []),
        ...(selection.events?.subscribe ?? []),
        ...(selection.feeds?.subscribe ?? []),
      ];
      return `- \`${alias}\` (${need}): \`${selection.contract}\` — ${taken.join(", ")}`;
    }),
  );
  return rows.length === 0 ? "" : ["## Uses", "", ...rows].join("\n");
}

function resources(manifest: Manifest): string {
  const rows = [
    ...Object.entries(manifest.resources?.kv ?? {}).map(([alias, kv]) => `- KV \`${alias}\` — ${kv.purpose}`),
    ...Object.entries(manifest.resources?.store ?? {}).map(
      ([alias, store]) => `- Store \`${alias}\` — ${store.purpose}`,
    ),
    ...Object.keys(manifest.jobs ?? {}).map((queue) => `- Job queue \`${queue}\``),
    ...Object.keys(manifest.eventConsumers ?? {}).map((group) => `- Event consumer \`${group}\``),
    ...Object.entries(manifest.state ?? {}).map(([store, state]) => `- State \`${store}\` (${state.kind})`),
  ];
  return rows.length === 0 ? "" : ["## Resources", "", ...rows].join("\n");
}

function section(
  title: string,
  summary: string | undefined,
  facts: readonly (readonly [string, string | undefined])[],
): string {
  const lines = [`## ${title}`, ""];
  if (summary) lines.push(summary, "");
  for (const [name, value] of facts) {
    if (!value) continue;
    lines.push(value.includes("\n") ? `${name}:\n\n${value}\n` : `- ${name}: ${value}`);
  }
  return lines.join("\n").trimEnd();
}

function needs(keys: readonly string[] | undefined): string {
  return keys === undefined || keys.length === 0 ? "being authenticated" : keys.map((key) => code(key)).join(", ");
}

function list(names: readonly string[] | undefined): string | undefined {
  return names === undefined || names.length === 0 ? undefined : names.map((name) => code(name)).join(", ");
}

function code(text: string): string {
  return `\`${text}\``;
}

function schema(manifest: Manifest, ref: SchemaRef): string {
  const found: JsonSchema = manifest.schemas?.[ref.schema] ?? true;
  return `\`\`\`json\n${JSON.stringify(found, null, 2)}\n\`\`\``;
}
