import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";

/** The way SQLite will look rows up, as it explains it. */
describe("look-ups", () => {
  let temp: TempStore;
  beforeAll(async () => {
    temp = await tempStore();
  });
  afterAll(() => temp[Symbol.asyncDispose]());

  const keys = sql.join(Array.from({ length: 256 }, (_, at) => sql`${`k${at}`}`));
  const plan = async (query: ReturnType<typeof sql>) => {
    const { rows } = await sql<{ detail: string }>`explain query plan ${query}`.execute(temp.store.read);
    return rows.map((row) => row.detail).join("; ");
  };

  it("go by the keys of a list one by one, and never read a whole app or place", async () => {
    const repeats = sql`select payload from message where app_id = 'a' and client_message_id in (${keys}) and sender in (${keys})`;
    expect(await plan(repeats)).toContain("message_client_id (app_id=? AND client_message_id=? AND sender=?)");
    const users = sql`select kind from "user" where app_id = 'a' and user_id in (${keys})`;
    expect(await plan(users)).toContain("(app_id=? AND user_id=?)");
    const audiences = sql`select pos from audience where app_id = 'a' and audience in (${keys}) and pos > 1 and pos <= 9 order by pos limit 9`;
    expect(await plan(audiences)).toContain("(app_id=? AND audience=? AND pos>? AND pos<?)");
    const members = sql`select role from member where app_id = 'a' and place in (${keys}) and user_id in (${keys})`;
    expect(await plan(members)).toContain("(app_id=? AND place=? AND user_id=?)");
  });

  it("of search walk one path, and ask about one thing by an index that holds the answer", async () => {
    const window = sql`select a.owner from attribute as a where a.app_id = 'a' and a.path = 'p' and a.single = 1
      order by a.folded, a.owner limit 9`;
    expect(await plan(window)).toBe("SEARCH a USING PRIMARY KEY (app_id=? AND path=?)");
    const further = sql`select a.owner from attribute as a where a.app_id = 'a' and a.path = 'p' and a.folded >= 'x'
      and (a.folded <> 'x' or a.owner > 'y') order by a.folded, a.owner limit 9`;
    expect(await plan(further)).toBe("SEARCH a USING PRIMARY KEY (app_id=? AND path=? AND folded>?)");
    const equal = sql`select a.owner from attribute as a where a.app_id = 'a' and a.path = 'p' and a.folded = 'x' and a.exact = 'y'`;
    expect(await plan(equal)).toContain("(app_id=? AND path=? AND folded=?)");
    const met = sql`select w.owner, (select k.folded from attribute as k where k.app_id = 'a' and k.owner = w.owner
      and k.path = 'q' and k.single = 1) from (${window}) as w where exists (select 1 from attribute as a
      where a.app_id = 'a' and a.owner = w.owner and a.path = 'r' and a.folded like '%x%' escape '!')`;
    const asked = (await plan(met)).match(/attribute_owner \(app_id=\? AND owner=\? AND path=\?\)/g);
    expect(asked).toHaveLength(2);
  });
});
