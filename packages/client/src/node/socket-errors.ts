/// <reference types="node" />
import type { Socket } from "node:net";
import { NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";

/**
 * Keeps an error of a dying NATS socket from ending the process.
 *
 * nats.js takes its listeners off a socket and then destroys it. An error the socket has already decided to report (a
 * write in the same turn as the server's goodbye is one) then meets no listener, and Node ends the process for that.
 * nats.js does not need the error any more: the socket is gone either way. So every socket it dials keeps a listener
 * that no removal takes away. The methods are wrapped rather than a transport of ours installed, because the factory
 * of transports is one for the whole process: any other user of nats.js would replace ours before our next reconnect.
 */
export function keepSocketErrorsHarmless(): void {
  if (guarded) return;
  guarded = true;
  const { dial, tlsFirst, startTLS } = NodeTransport.prototype;
  NodeTransport.prototype.dial = async function (host) {
    return guard(await dial.call(this, host));
  };
  NodeTransport.prototype.tlsFirst = async function (host) {
    return guard(await tlsFirst.call(this, host));
  };
  NodeTransport.prototype.startTLS = async function () {
    return guard(await startTLS.call(this));
  };
}

let guarded = false;

function guard<S extends Socket>(socket: S): S {
  const removeAllListeners = socket.removeAllListeners.bind(socket);
  socket.on("error", ignore);
  socket.removeAllListeners = (event) => {
    if (event === undefined) removeAllListeners();
    else removeAllListeners(event);
    socket.on("error", ignore);
    return socket;
  };
  return socket;
}

function ignore(): void {}
