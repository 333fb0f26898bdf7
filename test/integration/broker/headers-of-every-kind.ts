/** Headers of each type that other clients for Node encode. */
export const headersOfEveryKind = {
  text: 'ü',
  whole: 7,
  large: 2 ** 40,
  real: 0.5,
  yes: true,
  none: null,
  list: [1, 'a'],
  table: { a: 1 },
};
