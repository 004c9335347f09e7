import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as a fake got it. */
export interface FakeRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: string;
}

/** What a fake answers: nothing at all, a cut connection, or a document. */
type FakeAnswer = "silence" | "cut" | { status?: number; body?: string | object; location?: string };

export interface HttpFake {
  url: string;
  requests: FakeRequest[];
  /** What it answers from now on. */
  answer: (request: FakeRequest) => FakeAnswer;
  close(): void;
}

/** A web server of a test's own on the loopback. */
export async function httpFake(answer: HttpFake["answer"] = () => ({})): Promise<HttpFake> {
  const requests: FakeRequest[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => void chunks.push(chunk));
    incoming.on("end", () => {
      const { pathname: path, searchParams: query } = new URL(incoming.url ?? "/", "http://fake");
      const body = Buffer.concat(chunks).toString();
      const request = { method: incoming.method ?? "", path, query, headers: incoming.headers, body };
      requests.push(request);
      write(response, fake.answer(request));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const fake: HttpFake = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return fake;
}

function write(response: ServerResponse, answer: FakeAnswer): void {
  if (answer === "silence") return;
  if (answer === "cut") return void response.socket?.resetAndDestroy();
  const { status = 200, body = "", location } = answer;
  response.writeHead(status, location === undefined ? {} : { location });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}
