import http from "node:http";
import {
  create,
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { errorFromJson, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { END_OF_STREAM, envelope, envelopeReader } from "../../support/envelopes.js";

const none = new Headers();
const unavailable = (cause: unknown) => new ConnectError("the call failed", Code.Unknown, undefined, undefined, cause);

/**
 * Connect's protocol over Node's http and nothing else: a POST for each call, a response that is read as it comes for a stream. What a client
 * in a language with a lean HTTP library does; Connect's own transport for Node costs this process more than the call costs the server.
 */
export function createPlainTransport(baseUrl: string, agent: http.Agent): Transport {
  const { hostname, port } = new URL(baseUrl);

  function post(
    method: DescMethodUnary | DescMethodStreaming,
    contentType: string,
    header: HeadersInit | undefined,
    body: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const path = `/${method.parent.typeName}/${method.name}`;
      const headers = {
        ...(header as Record<string, string> | undefined),
        "content-type": contentType,
        "connect-protocol-version": "1",
        "content-length": body.length,
      };
      const request = http.request({ hostname, port, path, method: "POST", agent, headers, ...(signal && { signal }) });
      request.on("error", (error) => reject(unavailable(error)));
      request.on("response", resolve);
      request.end(body);
    });
  }

  return {
    async unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>,
      signal: AbortSignal | undefined,
      _timeoutMs: number | undefined,
      header: HeadersInit | undefined,
      input: MessageInitShape<I>,
    ) {
      const bytes = toBinary(method.input, create(method.input, input));
      const response = await post(method, "application/proto", header, bytes, signal);
      const body = await readWhole(response);
      if (response.statusCode !== 200) throw errorFromJsonBytes(body, none, unavailable(response.statusMessage));
      const message = fromBinary(method.output, body);
      return { stream: false as const, service: method.parent, method, header: none, trailer: none, message };
    },
    async stream<I extends DescMessage, O extends DescMessage>(
      method: DescMethodStreaming<I, O>,
      signal: AbortSignal | undefined,
      _timeoutMs: number | undefined,
      header: HeadersInit | undefined,
      input: AsyncIterable<MessageInitShape<I>>,
    ) {
      const bytes: Uint8Array[] = [];
      for await (const message of input) bytes.push(envelope(toBinary(method.input, create(method.input, message))));
      const response = await post(method, "application/connect+proto", header, Buffer.concat(bytes), signal);
      const message = messagesOf(method.output, response);
      return { stream: true as const, service: method.parent, method, header: none, trailer: none, message };
    },
  };
}

async function readWhole(response: http.IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  return await new Promise((resolve, reject) => {
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    response.on("error", (error) => reject(unavailable(error)));
  });
}

async function* messagesOf<O extends DescMessage>(
  schema: O,
  response: http.IncomingMessage,
): AsyncGenerator<MessageShape<O>> {
  const read = envelopeReader();
  for await (const chunk of response as AsyncIterable<Buffer>)
    for (const { flags, data } of read(chunk)) {
      if (flags !== END_OF_STREAM) {
        yield fromBinary(schema, data);
        continue;
      }
      const { error } = JSON.parse(data.toString()) as { error?: object };
      if (error === undefined) return;
      throw errorFromJson(error as JsonValue, none, unavailable("an end without a code"));
    }
  throw unavailable("the stream was cut");
}
