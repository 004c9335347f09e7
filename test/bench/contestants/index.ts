import type { Contestant } from "../contestant.js";
import { ejabberd, ejabberdMissing } from "./ejabberd.js";
import { grpcJs } from "./grpc-js.js";
import { nodesMissing, parleyNodes } from "./parley-nodes.js";
import { parleyRpc } from "./parley-rpc.js";
import { parleySdk } from "./parley-sdk.js";
import { socketio } from "./socketio.js";

/** All rows; the first one is what the others are compared with. */
export const contestants: readonly Contestant[] = [
  socketio,
  grpcJs,
  ...(ejabberdMissing() === undefined ? [ejabberd] : []),
  parleyRpc("plain-h1", "single"),
  parleyRpc("plain-h1", "batched"),
  parleyRpc("connect-h2", "single"),
  parleyRpc("connect-h1", "single"),
  parleyRpc("grpc-h2", "single"),
  parleyRpc("connect-h2", "batched"),
  parleyRpc("connect-h1", "batched"),
  parleyRpc("grpc-h2", "batched"),
  parleySdk,
  ...(nodesMissing() === undefined ? [1, 2, 3].flatMap(parleyNodes) : []),
];

/** What is left out on this machine, and why. */
export const leftOut: readonly string[] = [ejabberdMissing(), nodesMissing()].filter((reason) => reason !== undefined);
