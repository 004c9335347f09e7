import type { Chat } from "../model/chat.js";
import { explain } from "../words.js";

/** How the connection is told: a word for the head, and a line with a way out when it needs the user's eye. */
export interface Connection {
  readonly word: string;
  readonly tone: "good" | "busy" | "off";
  readonly banner?: string;
  readonly action?: string;
}

type Seen = Pick<Chat, "state" | "pausedByUser" | "lost">;

const closedWords = {
  session_rejected: "Your session has ended.",
  replaced: "You are using Parley in another tab.",
  refused: "The server refused the connection.",
  gave_up: "The server could not be reached.",
  shut_down: "The connection is closed.",
};

export function describeConnection({ state, pausedByUser, lost }: Seen): Connection {
  switch (state.name) {
    case "live":
      return { word: "Online", tone: "good" };
    case "replaying":
      return { word: "Catching up…", tone: "busy" };
    case "connecting":
      return state.failures > 0 ? lostConnection("Trying again…", lost) : { word: "Connecting…", tone: "busy" };
    case "waiting":
      return { ...lostConnection("Waiting to try again…", lost), action: "Try now" };
    case "paused":
      if (!pausedByUser)
        return { word: "No network", tone: "off", banner: "There is no network. What you write waits." };
      return { word: "Paused", tone: "off", banner: "Paused. What others write waits for you.", action: "Resume" };
    case "stopped":
      return { word: "Logged out", tone: "off" };
    case "closed": {
      const banner = closedWords[state.reason];
      if (state.reason === "replaced") return { word: "In another tab", tone: "off", banner, action: "Use here" };
      return { word: "Offline", tone: "off", banner, action: "Try again" };
    }
  }
}

function lostConnection(next: string, lost: Seen["lost"]): Connection {
  const why = lost ? explain(lost) : "The connection was lost.";
  return { word: "Reconnecting…", tone: "busy", banner: `${why} ${next} What you write is kept.` };
}
