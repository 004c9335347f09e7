/** What a phone shows, in the language asked for as far as there is one. */
export function smsText(sms: { appName: string; code: string; locale: string; minutes: number }): string {
  const { appName, code, locale, minutes } = sms;
  if (/^zh\b/i.test(locale)) return `【${appName}】验证码 ${code}，${minutes} 分钟内有效，请勿告诉他人。`;
  return `${code} is your code for ${appName}. It is good for ${minutes} minutes; tell it to nobody.`;
}
