/** What came back, whatever its status. */
export interface PostAnswer {
  readonly status: number;
  readonly text: string;
}

/** Sends JSON to an address; fails when nothing answers. */
export type PostJson = (url: URL, json: string, signal: AbortSignal) => Promise<PostAnswer>;

/** By `fetch`, which every runtime has. */
export const fetchJson: PostJson = async (url, json, signal) => {
  const response = await globalThis.fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: json,
    signal,
  });
  return { status: response.status, text: await response.text() };
};
