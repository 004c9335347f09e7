import { expect, test } from "vitest";
import { smsText } from "./text.js";

const sms = { appName: "Cats", code: "012345", minutes: 5 };

test.each(["zh", "zh-CN", "ZH-Hant"])("%s is Chinese", (locale) => {
  expect(smsText({ ...sms, locale })).toMatch(/【Cats】.*012345.*5 分钟/);
});

test.each(["", "en", "de-DE", "zha", "not a tag"])("%j is English", (locale) => {
  expect(smsText({ ...sms, locale })).toMatch(/^012345 .*Cats.*5 minutes/);
});
