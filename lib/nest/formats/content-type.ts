/** Content types as RFC 9110 writes them: `type/subtype; parameter=value`. Pure. They come from outside. */

const token = "[\\w!#$%&'*+.^`|~-]+";
const mediaType = new RegExp(`^${token}/${token}$`);
const charsetParameter = /;\s*charset\s*=\s*(?:"([^"]*)"|([^\s;"]+))/i;

/** The type without parameters, in lower case. */
export function essenceOf(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** The parameter `charset`; undefined: it has none. */
export function charsetOf(contentType: string): string | undefined {
  const [, quoted, plain] = charsetParameter.exec(contentType) ?? [];
  return quoted ?? plain;
}

/** What a format may stand for: one type, `+suffix`, or `type/*`. */
export function isFormatRange(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  return value.startsWith('+') ? mediaType.test(`x/x${value}`) : mediaType.test(value) && value !== '*/*';
}

/** One type, which a message may have. */
export function isConcrete(range: string): boolean {
  return !range.startsWith('+') && !range.endsWith('/*');
}
