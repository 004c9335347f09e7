/** What travels between the peer and its clients. */
export interface ClientEvents {
  send(message: { to: string; text: string; clientId: string }, answer: (result: SendResult) => void): void;
  createGroup(members: string[], answer: (group: { id: string }) => void): void;
}

type SendResult = { seq: number; time: number } | { error: string };

export interface ServerEvents {
  message(message: {
    conversation: string;
    seq: number;
    sender: string;
    clientId: string;
    text: string;
    time: number;
  }): void;
}
