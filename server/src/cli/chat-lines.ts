import { ConnectError } from "@connectrpc/connect";
import type { ChatPeer, ChatSession } from "./chat-session.js";
import { messageLine, safe } from "./chat-text.js";
import type { Terminal } from "./terminal.js";

export const CHAT_HELP = `/to USER      write to a user
/group GROUP  write to a group
/room ROOM    join a room and write to it
/friends      list friends
/add USER     befriend a user
/history      show the latest messages with the one you write to
/help         show this
/quit         log out and leave`;

const HISTORY = 20;

/** Handles what is typed: commands, and lines for the peer. Answers false to leave. */
export function createLineHandler(session: ChatSession, terminal: Terminal): (line: string) => Promise<boolean> {
  let peer: ChatPeer | undefined;
  const turnTo = async (next: ChatPeer) => {
    if (next.case === "roomId") await session.joinRoom(next.value);
    peer = next;
    terminal.setPrompt(promptOf(next));
  };
  const commands: Record<string, (argument: string) => Promise<void>> = {
    "/to": (id) => turnTo({ case: "userId", value: needed(id) }),
    "/group": (id) => turnTo({ case: "groupId", value: needed(id) }),
    "/room": (id) => turnTo({ case: "roomId", value: needed(id) }),
    async "/friends"() {
      const friends = await session.friends();
      terminal.print(friends.map(({ userId }) => userId).join(" ") || "no friends yet; /add USER makes one");
    },
    async "/add"(id) {
      await session.addFriend(needed(id));
      terminal.print(`${safe(id)} is now a friend`);
    },
    async "/history"() {
      const messages = await session.history(chosen(peer), HISTORY);
      terminal.print(messages.map(messageLine).join("\n") || "no messages");
    },
    async "/help"() {
      terminal.print(CHAT_HELP);
    },
  };
  return async (line) => {
    const [, name = "", argument = ""] = /^(\/\w+)\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === "/quit") return false;
    try {
      const command = commands[name];
      if (command !== undefined) await command(argument);
      else if (name !== "") terminal.print(`no command ${name}; /help lists them`);
      else if (line.trim() !== "") await session.send(chosen(peer), line);
    } catch (error) {
      terminal.print(`! ${safe(error instanceof Hint ? error.message : ConnectError.from(error).rawMessage)}`);
    }
    terminal.prompt();
    return true;
  };
}

class Hint extends Error {}

function needed(id: string): string {
  if (id === "") throw new Hint("whom? name an id");
  return id;
}

function chosen(peer: ChatPeer | undefined): ChatPeer {
  if (peer === undefined) throw new Hint("to whom? /to USER, /group GROUP or /room ROOM chooses");
  return peer;
}

function promptOf({ case: kind, value }: ChatPeer): string {
  if (kind === "groupId") return `#${value}`;
  return kind === "roomId" ? `~${value}` : value;
}
