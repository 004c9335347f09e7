import type { Told } from "./chat-store.js";

/** What travels between the peer and its clients. */
export interface ClientEvents {
  send(message: { to: string; text: string; clientId: string }, answer: (result: SendResult) => void): void;
  createGroup(members: string[], answer: (group: { id: string }) => void): void;
  /** The messages after a seq, oldest first. */
  missed(place: { of: string; after: number; limit: number }, answer: (result: ListResult) => void): void;
  /** The newest messages before a time, oldest first. */
  page(place: { of: string; before: number; limit: number }, answer: (result: ListResult) => void): void;
}

type SendResult = { seq: number; time: number } | { error: string };
type ListResult = { messages: Told[] } | { error: string };

export interface ServerEvents {
  message(message: Told): void;
}
