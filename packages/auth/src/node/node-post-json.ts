/// <reference types="node" />
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import type { PostAnswer, PostJson } from "../post-json.ts";

/** A platform that was moved says so; one that sends us round in circles does not end. */
const MOST_MOVES = 3;
const MOVED: ReadonlySet<number> = new Set([307, 308]);

/**
 * The same as with `fetch`, which costs a process 13 MB for the rest of its life, and so does `import "node:http"`: it touches
 * everything the module offers, `WebSocket` among it (npm run bench -- memory).
 */
export const nodePostJson: PostJson = async (url, json, signal) => {
  for (let moves = 0; ; moves += 1) {
    const { location, ...answer } = await post(url, json, signal);
    if (location === undefined || moves === MOST_MOVES) return answer;
    url = new URL(location, url);
  }
};

function post(url: URL, json: string, signal: AbortSignal): Promise<PostAnswer & { readonly location?: string }> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(json) };
    const request = send(url, { method: "POST", headers, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode: status = 0, headers: told } = response;
        const text = Buffer.concat(chunks).toString();
        const { location } = told;
        resolve({ status, text, ...(MOVED.has(status) && location !== undefined ? { location } : {}) });
      });
    });
    request.on("error", reject);
    request.end(json);
  });
}

function send(url: URL, options: RequestOptions, answered: (response: IncomingMessage) => void): ClientRequest {
  const { protocol } = url;
  if (protocol === "https:") return process.getBuiltinModule("node:https").request(url, options, answered);
  return process.getBuiltinModule("node:http").request(url, options, answered);
}
