import { connect, createServer } from "node:net";
import type { Socket } from "node:net";

/** A way to a server on which an answer can be lost: the request has arrived, and the connection breaks. */
export interface AnswerEater extends AsyncDisposable {
  readonly url: string;
  /** The next thing from the server that holds this text is not passed on, and the connection is cut. */
  eat(text: string): void;
  /** How many were eaten. */
  readonly eaten: number;
}

export async function startAnswerEater(port: number): Promise<AnswerEater> {
  const open = new Set<Socket>();
  let appetite: string | undefined;
  let eaten = 0;
  const listener = createServer((client) => {
    const server = connect(port, "127.0.0.1");
    const cut = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      open.add(socket);
      socket.on("error", cut).on("close", () => {
        open.delete(socket);
        cut();
      });
    }
    client.pipe(server);
    server.on("data", (data) => {
      if (appetite === undefined || !data.includes(appetite)) return void client.write(data);
      appetite = undefined;
      eaten += 1;
      cut();
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `nats://127.0.0.1:${address.port}`,
    eat: (text) => void (appetite = text),
    get eaten() {
      return eaten;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
