import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take longest, as a fresh checkout knows no durations to go by: the first only waits, so that all others run beside it. */
const LONGEST = [
  "conformance/quiet",
  "model/model",
  "model/model-beside.full",
  "model/model.cluster",
  "durability/kill",
  // These are long at their full size alone.
  "delivery/stream-cuts",
  "durability/commit",
  "delivery/push-presence",
  "delivery/push-crash",
  "contract/push-sender",
  "durability/power",
  "integration/push-credentials",
  "browser/network",
  "access/tenants",
  "durability/erasure",
  "integration/bench-smoke",
  "model/mutations",
  "durability/folder",
  "access/faults",
  "access/privileges",
  "hostile/bodies",
  "delivery/streams-slow",
  "delivery/late-answers",
  "durability/attachments",
  "durability/sync-failure",
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
