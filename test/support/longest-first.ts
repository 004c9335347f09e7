import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take longest, as a fresh checkout knows no durations to go by: the first only waits, so that all others run beside it. */
const LONGEST = [
  "conformance/quiet",
  "model/model",
  "durability/kill",
  "browser/network",
  "durability/attachments",
  "hostile/bodies",
  "durability/sync-failure",
  "delivery/push-crash",
  "durability/commit",
  "durability/erasure",
  "delivery/late-answers",
  "contract/push-sender",
].map((name) => `/test/${name}.test.ts`);

/** Begins with the files that take longest, so that none of them is left alone at the end. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(name));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}
