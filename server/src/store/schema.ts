import type { Generated, Kysely, Selectable } from "kysely";

/** The tables. Times are milliseconds since 1970, flags are 0 or 1, `attributes` is an encoded google.protobuf.Struct or null. */
export interface Schema {
  app: {
    app_id: string;
    name: string;
    client_key: string;
    /** JSON of the settings that differ from the defaults. */
    settings: string;
    /** Sealed JSON of the keys that signed tokens are checked with, or null. */
    token_keys: Uint8Array | null;
    /** Sealed JSON of how codes reach the phones, or null as long as nobody has set it. */
    sms_gateway: Uint8Array | null;
    /** JSON of the third parties whose word a login may rest on, or null. */
    oauth_providers: Uint8Array | null;
    create_ms: number;
  };
  service_key: {
    app_id: string;
    service_key_id: string;
    name: string;
    key_hash: string;
    create_ms: number;
    revoke_ms: number | null;
  };
  /** The counter row of an app's log; locked from the first write of a transaction to its commit. */
  app_log: { app_id: string; pos: number; floor_pos: number };
  /** The stretches of an app's log: each begun by one start of a server, or, on PostgreSQL, with what names the history of the cluster. */
  generation: { app_id: string; generation_id: string; first_pos: number; history: Generated<string> };
  /** `audiences` repeats the event's rows in `audience`, one to a line, so that they are found by position too. */
  event: { app_id: string; pos: number; kind: number; create_ms: number; audiences: string; payload: Uint8Array };
  /** Who an event is for: `u:<user>`, `s:<session>`, `g:<group>`, `r:<room>` or `*`. */
  audience: { app_id: string; audience: string; pos: number };
  user: {
    app_id: string;
    user_id: string;
    kind: number;
    display_name: string;
    avatar_url: string;
    attributes: Uint8Array | null;
    /** The head of the log when the user came to be: nothing up to it is the user's to see. */
    created_pos: number;
    create_ms: number;
    last_active_ms: number | null;
    /** 1 while the user is here: a server that starts knows from it who is only reconnecting. */
    online: number;
    /** 1 when everyone is told of its presence, not friends alone. */
    notify_everyone: number;
    /** 1 when it is shown as offline. */
    invisible: number;
  };
  credential: { app_id: string; kind: string; name: string; user_id: string; secret: string };
  session: {
    app_id: string;
    session_id: string;
    user_id: string;
    token_hash: string;
    installation_id: string;
    platform: number;
    create_ms: number;
    used_ms: number;
    expire_ms: number;
    acked_pos: number;
  };
  /** The ids of signed tokens that may be used once. */
  used_token: { app_id: string; token_id: string; expire_ms: number };
  /** A phone number to which a code was sent lately, by the keyed hash of the number. */
  sms_number: {
    app_id: string;
    number_hash: string;
    /** The keyed hash of the code that is good, or null. */
    code_hash: string | null;
    code_expire_ms: number;
    /** Wrong codes that were tried since the code was sent. */
    tries: number;
    sent_ms: number;
    /** When the day of this number began, and the codes sent since. */
    day_ms: number;
    day_sent: number;
    expire_ms: number;
  };
  /** When the day of an app began, and the codes sent since. */
  sms_day: { app_id: string; day_ms: number; day_sent: number };
  friend: { app_id: string; user_id: string; friend_id: string; create_ms: number };
  /** A group (`g:<id>`) or a room (`r:<id>`). */
  place: {
    app_id: string;
    place: string;
    name: string;
    owner_user_id: string;
    attributes: Uint8Array | null;
    join_policy: number;
    history_for_new_members: number;
    member_count: number;
    create_ms: number;
  };
  /** One stay of a user in a place: sees joined_pos <= pos < left_pos. */
  member: {
    app_id: string;
    place: string;
    user_id: string;
    joined_pos: number;
    left_pos: number | null;
    role: number;
    alias: string;
    attributes: Uint8Array | null;
    mute_until_ms: number;
    join_ms: number;
  };
  conversation: {
    app_id: string;
    conversation_id: string;
    head_seq: number;
    /** Messages up to this seq were removed by retention. */
    floor_seq: number;
    last_pos: number;
    last_ms: number;
  };
  /** A conversation that a user can list, with the user's read marker and what it keeps out of its own sight. */
  participant: {
    app_id: string;
    user_id: string;
    conversation_id: string;
    read_seq: number;
    /** Messages up to this position are hidden from the user. */
    hidden_pos: Generated<number>;
    /** The conversation is off the user's list until a message after this position. */
    unlisted_pos: Generated<number>;
  };
  message: {
    app_id: string;
    conversation_id: string;
    seq: number;
    pos: number;
    message_id: string;
    /** The user id, or empty for the system. */
    sender: string;
    client_message_id: string;
    payload_hash: Uint8Array;
    create_ms: number;
    /** 1 when it counts as unread. */
    counting: number;
    payload: Uint8Array;
    /** Encoded PushOptions, or null. */
    push: Uint8Array | null;
  };
  /** The first answer to a keyed request that is not a message. */
  answered: {
    app_id: string;
    user_id: string;
    request_id: string;
    request_hash: Uint8Array;
    response: Uint8Array;
    expire_ms: number;
  };
  /** A place that was deleted and whose words are still to be removed: events up to `wiped_pos` are. */
  dissolved: { app_id: string; place: string; deleted_pos: number; wiped_pos: number };
  /**
   * What is out of reach already and still to be blanked: the words of a user that was deleted (`u:<user>`), or of a group whose history was
   * cleared (`g:<group>`). Events up to `log_pos` are blanked, and messages up to `seq` of `conversation_id`.
   */
  erasure: {
    app_id: string;
    subject: string;
    upto_pos: number;
    begin_ms: number;
    log_pos: number;
    conversation_id: string;
    seq: number;
    /** How many were blanked so far. */
    events: number;
    messages: number;
  };
  /** The install of the app on a device, as long as a user's session is on it. A token belongs to one installation. */
  installation: {
    app_id: string;
    installation_id: string;
    user_id: string;
    platform: number;
    locale: string;
    push_provider: number;
    /** A secret; empty when there is none. */
    push_token: string;
    push_environment: number;
    /** When the app last told the token. */
    token_ms: number;
    create_ms: number;
  };
  /** What an app pushes with: one for each value of PushProvider and PushEnvironment; `sealed` holds a PushSecret. */
  push_credential: {
    app_id: string;
    provider: number;
    environment: number;
    kind: number;
    sealed: Uint8Array;
    fingerprint: string;
    topic: string;
    project_id: string;
    key_id: string;
    expire_ms: number | null;
    create_ms: number;
  };
  /** How far the push reader has come in an app's log. An app without one has pushed nothing yet. */
  push_cursor: { app_id: string; pos: number };
  /** A push that is still to be handed over: of the message at a position, to an installation. */
  push_job: {
    app_id: string;
    pos: number;
    installation_id: string;
    user_id: string;
    run_ms: number;
    tries: number;
    expire_ms: number;
  };
  /** A push that a provider took; `opened` is 1 once its user has opened it. */
  push_sent: { app_id: string; push_id: string; installation_id: string; opened: number; expire_ms: number };
  /** Pushes by day, counted from 1970 in UTC. */
  push_count: { app_id: string; day: number; sent: number; opened: number; failed: number };
  /** Encoded PushTemplates. */
  push_template: { app_id: string; templates: Uint8Array };
  word_filter: {
    app_id: string;
    enabled: number;
    /** A value of WordFilterAction, never UNSPECIFIED. */
    action: number;
    mask: string;
    use_default_list: number;
    ignore_separators: number;
    word_count: number;
    /** Rises with each change, so that a change that was prepared outside its transaction knows whether it still fits. */
    revision: number;
    update_ms: number;
  };
  filter_word: { app_id: string; word: string };
  /** The counts of an hour (`span` h) or a day (d), in UTC. */
  statistic: { app_id: string; span: "h" | "d"; start_ms: number; name: string; value: number };
  /** Who was active on a day, until the day is long over. */
  active_user: { app_id: string; day_ms: number; user_id: string };
  /** How far the log's messages are in the counts. */
  counted_log: { app_id: string; pos: number };
  /** What was done by service keys, and by the operator (an empty `service_key_id`), with an empty `app_id` when it was about no app. */
  audit_entry: {
    app_id: string;
    create_ms: number;
    entry_id: string;
    service_key_id: string;
    method: string;
    /** JSON of [field, id] pairs. */
    targets: string;
    target_count: number;
    /** A value of AuditOutcome, and one of ErrorReason. */
    outcome: number;
    reason: number;
    request_id: string;
    address: string;
  };
  /** One value of what search knows of a user (`u:<id>`), group (`g:<id>`) or room (`r:<id>`), in the two forms of attribute-rows.ts. */
  attribute: {
    app_id: string;
    /** The letter of the kind, and a field (`u:display_name`) or the keys of an attribute (`u:.address.city`). */
    path: string;
    folded: string;
    owner: string;
    exact: string;
    /** 1 for the only value of its path, 0 for an element of a list. */
    single: number;
  };
  /** The record of an attachment; its bytes are files beside the database, see store/disk-blobs.ts. */
  attachment: {
    app_id: string;
    attachment_id: string;
    /** The user id, or empty for the app's backend and for a user who was deleted. */
    owner_user_id: string;
    file_name: string;
    mime_type: string;
    size_bytes: number;
    /** What it takes of the owner's quota. */
    charged_bytes: number;
    width: number;
    height: number;
    /** 1 when there is a thumbnail. */
    thumbnail: number;
    /** 1 when the bytes are all there, for good. */
    complete: number;
    /** 1 when a stored message uses it: it stays as long as one does. */
    used: number;
    create_ms: number;
  };
  /**
   * The stored messages that use an attachment, with a row for each of a message's audiences. What goes to everyone is in no conversation: then
   * conversation_id is empty and seq is the position.
   */
  attachment_use: {
    app_id: string;
    attachment_id: string;
    audience: string;
    conversation_id: string;
    seq: number;
    pos: number;
  };
  meta: { name: string; value: string };
}

/** A reader: sees what is committed. */
export type Db = Kysely<Schema>;

/** A row of a table. */
export type Row<T extends keyof Schema> = Selectable<Schema[T]>;
