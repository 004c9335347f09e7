import type { Kind } from "./kinds.js";
import { MOTIONS } from "./motion-commands.js";
import { PLACES } from "./place-commands.js";
import { TALK } from "./talk-commands.js";

/** Every kind of command by its name. */
export const KINDS: Readonly<Record<string, Kind>> = { ...TALK, ...PLACES, ...MOTIONS };
