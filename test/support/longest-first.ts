import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The file that holds streams open for three minutes. */
const LONGEST = /\/conformance\/quiet\.test\.ts$/;

/** Begins with the file that only waits, so that all others run beside it; a fresh checkout knows no durations to go by. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLongest = (file: TestSpecification) => LONGEST.test(file.moduleId);
    return [...sorted.filter(isLongest), ...sorted.filter((file) => !isLongest(file))];
  }
}
