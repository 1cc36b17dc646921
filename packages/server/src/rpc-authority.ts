import type { Link, RequestSigner } from "@trellis/client/internal";
import { compileSchema } from "@trellis/contracts";
import { decodeError, isErrorReply, TransportError } from "@trellis/protocol";
import { auth } from "@trellis/sdk/auth";
import type { RequestAuthority, ValidateAnswer } from "./authority.ts";

const METHOD = "Auth.Requests.Validate";
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Asks the control plane about sessions, as every service does. */
export function createRpcAuthority(options: {
  readonly link: Link;
  readonly signer: RequestSigner;
  readonly timeoutMs: number;
}): RequestAuthority {
  const { link, signer, timeoutMs } = options;
  const rpc = auth.manifest.rpc?.[METHOD];
  if (rpc === undefined) throw new TypeError(`The auth contract has no ${METHOD}.`);
  const output = compileSchema(auth.manifest.schemas?.[rpc.output.schema] ?? false);
  const isAnswer = (value: unknown): value is ValidateAnswer => output.check(value);
  return {
    async validate(request) {
      const payload = encoder.encode(JSON.stringify(request));
      const headers = signer.sign(rpc.subject, payload, timeoutMs);
      const answer = await link.request(rpc.subject, payload, { headers, timeoutMs });
      // An error here is about our own session, or about the control plane; it says nothing about the one we ask for.
      if (isErrorReply(answer.headers)) throw decodeError(answer.data);
      const value: unknown = JSON.parse(decoder.decode(answer.data));
      if (!isAnswer(value)) throw new TransportError("invalid_reply");
      return value;
    },
  };
}
