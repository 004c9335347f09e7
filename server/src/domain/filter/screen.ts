import type { MessageContent } from "@parley/proto/parley/v1/message_content_pb.js";
import type { SendMessageRequest } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason } from "../errors.js";
import type { WordFilter } from "./word-filter.js";

/** The refusal of a text that holds a word of the filter. It does not say which. */
export function contentRejected(field: string): DomainError {
  return new DomainError(ErrorReason.CONTENT_REJECTED, `${field} holds words that this app does not allow`, { field });
}

type Content = MessageContent["content"];
type Texts<T> = { [K in keyof T]?: T[K] extends string ? true : never };
const MEDIA: Texts<Extract<Content, { case: "image" }>["value"]> = { fileName: true };

/** The texts of each kind of content that people read. */
const TEXTS = {
  text: { text: true },
  image: MEDIA,
  audio: MEDIA,
  video: MEDIA,
  file: MEDIA,
  location: { name: true },
  custom: { fallbackText: true },
  notice: { text: true },
} satisfies { [C in NonNullable<Content["case"]>]: Texts<Extract<Content, { case: C }>["value"]> };

const PUSH_TEXTS = ["title", "prefix", "suffix", "bodyOverride"] as const;

/** A send as it may be stored, and why it may not be. */
export interface Screened {
  request: SendMessageRequest;
  refusal: DomainError | undefined;
}

/** Puts what a user sends through the filter. The refusal is not thrown: a repeat of what was stored before is still a repeat. */
export function screenSend(filter: WordFilter, request: SendMessageRequest): Screened {
  const inner = request.content?.content;
  const content = inner?.case === undefined ? {} : screenTexts(filter, inner.value, Object.keys(TEXTS[inner.case]));
  if (typeof content === "string") return refused(request, `content.${inner?.case}.${content}`);
  const push = request.push === undefined ? {} : screenTexts(filter, request.push, PUSH_TEXTS);
  if (typeof push === "string") return refused(request, `push.${push}`);
  if (content === NOTHING && push === NOTHING) return { request, refusal: undefined };
  const screened = { ...request };
  if (inner?.case !== undefined && request.content !== undefined)
    screened.content = {
      ...request.content,
      content: { ...inner, value: { ...inner.value, ...content } } as Content,
    };
  if (request.push !== undefined) screened.push = { ...request.push, ...push };
  return { request: screened, refusal: undefined };
}

function refused(request: SendMessageRequest, field: string): Screened {
  return { request, refusal: contentRejected(field) };
}

/** What stands for no change. */
const NOTHING = {};

/** What the filter makes of the texts among some properties, as far as it changes them; or the name of the field that it rejects. */
function screenTexts(filter: WordFilter, message: object, names: readonly string[]): Record<string, string> | string {
  let changed: Record<string, string> = NOTHING;
  for (const name of names) {
    const text = (message as Record<string, unknown>)[name];
    if (typeof text !== "string" || text === "") continue;
    const screened = filter.screen(text);
    if (screened === undefined) return fieldName(name);
    if (screened !== text) changed = { ...changed, [name]: screened };
  }
  return changed;
}

const fieldName = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The filter for what a caller names; what the app's backend names is its own. */
export async function filterFor(ctx: Pick<Ctx, "filters">, caller: { kind: Caller["kind"]; appId: string }) {
  return caller.kind === "service" ? undefined : await ctx.filters.find(caller.appId);
}

/** The name that a caller gives to itself, a group or a room, as it may be kept. Throws CONTENT_REJECTED. */
export async function screenName<T extends string | undefined>(
  ctx: Pick<Ctx, "filters">,
  caller: { kind: Caller["kind"]; appId: string },
  field: string,
  name: T,
): Promise<T> {
  if (name === undefined) return name;
  const filter = await filterFor(ctx, caller);
  const screened = filter === undefined ? name : filter.screen(name);
  if (screened === undefined) throw contentRejected(field);
  return screened as T;
}
