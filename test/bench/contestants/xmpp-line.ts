import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";

/** A connection that speaks as much XMPP as the bench needs: plain text, SASL PLAIN, stanzas by stream management. */
export interface XmppLine {
  /** Sends a stanza; what is sent in one turn leaves together. */
  write(xml: string): void;
  /** Resolves with the answer to a query. */
  query(type: "get" | "set", to: string, content: string): Promise<string>;
  /** Sends a stanza and resolves when the server has handled it. */
  acknowledged(xml: string): Promise<void>;
  close(): void;
}

export interface XmppOptions {
  readonly port: number;
  readonly user: string;
  /** Makes the account first. */
  readonly register: boolean;
  readonly onMessage: (xml: string) => void;
  readonly fail: (error: unknown) => void;
}

export const domain = "localhost";
const password = "bench";
const opening = `<stream:stream to='${domain}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`;

/** Connects a user, logs it in and tells that it is there. */
export async function openXmpp({ port, user, register, onMessage, fail }: XmppOptions): Promise<XmppLine> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  let closed = false;
  let handled = 0;
  let [answered, nextId] = [0, 0];
  const waiting: (() => void)[] = [];
  const queries = new Map<string, (xml: string) => void>();
  let first: ((xml: string) => void) | undefined;

  const take = (xml: string): void => {
    if (xml.startsWith("<message")) {
      handled += 1;
      onMessage(xml);
    } else if (xml.startsWith("<a ")) {
      for (const upTo = Number(attribute(xml, "h")); answered < upTo; answered += 1) waiting.shift()?.();
    } else if (xml.startsWith("<r ")) {
      write(`<a xmlns='urn:xmpp:sm:3' h='${handled}'/>`);
    } else if (xml.startsWith("<iq")) {
      handled += 1;
      const id = attribute(xml, "id");
      if (xml.includes("urn:xmpp:ping")) write(`<iq type='result' id='${id}'/>`);
      queries.get(id)?.(xml);
      queries.delete(id);
    } else if (xml.startsWith("<presence")) {
      handled += 1;
      onMessage(xml);
    } else {
      first?.(xml);
    }
  };
  socket.setEncoding("utf8");
  socket.on("data", createSplitter(take));
  socket.on("error", (error) => {
    if (!closed) fail(error);
  });
  socket.on("close", () => {
    if (!closed) fail(new Error(`${user} was disconnected`));
  });

  function write(xml: string): void {
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    socket.write(xml);
  }
  function answerTo(xml: string): Promise<string> {
    const answer = new Promise<string>((resolve) => {
      first = resolve;
    });
    write(xml);
    return answer;
  }
  function query(type: "get" | "set", to: string, content: string): Promise<string> {
    const id = `q${nextId++}`;
    const answer = new Promise<string>((resolve) => queries.set(id, resolve));
    // What stream management counts begins when it is enabled.
    if (enabled) {
      waiting.push(() => {});
    }
    write(`<iq type='${type}' id='${id}'${to && ` to='${to}'`}>${content}</iq>`);
    return answer.then((xml) => {
      if (attribute(xml, "type") === "error") throw new Error(`${user} was refused: ${xml}`);
      return xml;
    });
  }

  let enabled = false;
  await answerTo(opening);
  if (register) {
    const account = `<username>${user}</username><password>${password}</password>`;
    await query("set", "", `<query xmlns='jabber:iq:register'>${account}</query>`).catch((error: unknown) => {
      if (!String(error).includes("<conflict")) throw error;
    });
  }
  const secret = Buffer.from(`\0${user}\0${password}`).toString("base64");
  const welcome = await answerTo(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${secret}</auth>`);
  if (!welcome.startsWith("<success")) throw new Error(`${user} cannot log in: ${welcome}`);
  await answerTo(opening);
  await query("set", "", `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${randomUUID()}</resource></bind>`);
  await answerTo("<enable xmlns='urn:xmpp:sm:3'/>");
  enabled = true;
  handled = 0;
  const line: XmppLine = {
    write(xml) {
      waiting.push(() => {});
      write(xml);
    },
    query,
    acknowledged(xml) {
      return new Promise((resolve) => {
        waiting.push(resolve);
        write(`${xml}<r xmlns='urn:xmpp:sm:3'/>`);
      });
    },
    close() {
      closed = true;
      socket.end("</stream:stream>");
      socket.destroySoon();
    },
  };
  line.write("<presence/>");
  return line;
}

/** The value of an attribute of the first element. */
export function attribute(xml: string, name: string): string {
  return new RegExp(` ${name}=['"]([^'"]*)['"]`).exec(xml)?.[1] ?? "";
}

/** The text between the first two tags of a name. */
export function between(xml: string, name: string): string {
  const from = xml.indexOf(`<${name}>`);
  return from < 0 ? "" : xml.slice(from + name.length + 2, xml.indexOf(`</${name}>`, from));
}

/** Cuts the stream into stanzas, the elements below its root. */
function createSplitter(take: (stanza: string) => void): (chunk: string) => void {
  let rest = "";
  return (chunk) => {
    rest += chunk;
    const tag = /<([/?]?)([^\s/>]+)[^>]*?(\/?)>/g;
    let [depth, from] = [0, 0];
    for (let found = tag.exec(rest); found; found = tag.exec(rest)) {
      const [whole, slash, name, empty] = found;
      // A stream begins again after the login; neither it nor a declaration is a stanza.
      if (slash === "?" || name === "stream:stream") {
        from = tag.lastIndex;
        continue;
      }
      if (depth === 0 && slash === "") from = tag.lastIndex - whole.length;
      if (slash === "/") depth -= 1;
      else if (empty === "") depth += 1;
      if (depth > 0) continue;
      take(rest.slice(from, tag.lastIndex));
      from = tag.lastIndex;
    }
    rest = rest.slice(from);
  };
}
