import type { JoinOptions, Member, Received, Target } from "../contestant.js";
import type { ReadyLine } from "../server-process.js";
import { inTurn } from "../stage.js";
import { attribute, between, domain, openXmpp } from "./xmpp-line.js";

/** What ejabberd gives of an archive in one page. */
const mostListed = 250;
const joinsAtOnce = 20;
const groupHost = `conference.${domain}`;
const archive = "urn:xmpp:mam:2";
const rsm = "http://jabber.org/protocol/rsm";

/** How each user that is connected enters a room, for in XMPP nobody can be put into one. */
const entries = new Map<string, (room: string) => Promise<void>>();

export const portOf = ({ url }: ReadyLine): number => Number(new URL(url).port);

/**
 * A user of ejabberd. There are no places in a conversation, so receivers count, and so do senders: what one sends to another keeps its
 * order. A message to a user is acknowledged by stream management, once it is in the sender's archive; one to a room by its reflection.
 */
export async function joinXmpp(server: ReadyLine, { userId, receive, fail }: JoinOptions): Promise<Member> {
  let [received, sent, asked] = [0, 0, 0];
  const reflected = new Map<string, (place: number) => void>();
  const entered = new Map<string, () => void>();
  const listed = new Map<string, Received[]>();

  function onMessage(xml: string): void {
    const text = between(xml, "body");
    if (text === "") {
      if (xml.includes("<subject")) entered.get(bare(attribute(xml, "from")))?.();
      return;
    }
    const list = xml.includes("<result ")
      ? listed.get(attribute(xml.slice(xml.indexOf("<result ")), "queryid"))
      : undefined;
    if (list) {
      list.push({ sequence: Number.parseInt(text, 10), text });
      return;
    }
    received += 1;
    receive?.({ sequence: received, text });
    const id = attribute(xml, "id");
    reflected.get(id)?.(received);
    reflected.delete(id);
  }

  const open = (register: boolean) => openXmpp({ port: portOf(server), user: userId, register, onMessage, fail });
  let line = await open(true);
  const key = `${server.url} ${userId}`;

  async function enter(room: string): Promise<void> {
    const done = new Promise<void>((resolve) => entered.set(room, resolve));
    const muc = "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>";
    line.write(`<presence to='${room}/${userId}'>${muc}</presence>`);
    await done;
  }
  entries.set(key, enter);

  async function list(to: string, filter: string, page: string): Promise<{ messages: Received[]; fin: string }> {
    const id = `l${asked++}`;
    const messages: Received[] = [];
    listed.set(id, messages);
    const fin = await line.query(
      "set",
      to,
      `<query xmlns='${archive}' queryid='${id}'>${filter}<set xmlns='${rsm}'>${page}</set></query>`,
    );
    listed.delete(id);
    return { messages, fin };
  }

  async function leave(): Promise<void> {
    entries.delete(key);
    line.close();
  }

  return {
    userId,
    async send({ kind, id }, text, messageId) {
      const type = kind === "user" ? "chat" : "groupchat";
      const to = kind === "user" ? `${id}@${domain}` : id;
      const xml = `<message to='${to}' type='${type}' id='${messageId}'><body>${text}</body></message>`;
      if (kind === "group") {
        line.write(xml);
        return await new Promise((resolve) => reflected.set(messageId, resolve));
      }
      await line.acknowledged(xml);
      sent += 1;
      return sent;
    },
    async createGroup(others) {
      const room = `bench@${groupHost}`;
      await enter(room);
      const form = "<x xmlns='jabber:x:data' type='submit'/>";
      await line.query("set", room, `<query xmlns='http://jabber.org/protocol/muc#owner'>${form}</query>`);
      await inTurn(
        others.map((other) => async () => await entries.get(`${server.url} ${other}`)?.(room)),
        joinsAtOnce,
      );
      return { kind: "group", id: room };
    },
    async page({ id }: Target, beforeMs, size) {
      const fields = [
        field("FORM_TYPE", archive),
        field("with", `${id}@${domain}`),
        field("end", new Date(beforeMs).toISOString()),
      ];
      const form = `<x xmlns='jabber:x:data' type='submit'>${fields.join("")}</x>`;
      return (await list("", form, `<max>${size}</max><before/>`)).messages;
    },
    leave,
    async comeBack({ id: room }) {
      line = await open(false);
      entries.set(key, enter);
      await enter(room);
      for (let last = ""; ; ) {
        const after = last && `<after>${last}</after>`;
        const { messages, fin } = await list(room, "", `<max>${mostListed}</max>${after}`);
        for (const { text } of messages) {
          received += 1;
          receive?.({ sequence: received, text });
        }
        last = between(fin, "last");
        if (messages.length === 0 || attribute(fin.slice(fin.indexOf("<fin")), "complete") === "true") return;
      }
    },
    close: leave,
  };
}

const bare = (address: string): string => address.split("/")[0] ?? "";
const field = (name: string, value: string): string => `<field var='${name}'><value>${value}</value></field>`;
