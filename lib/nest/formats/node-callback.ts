/** Node's callbacks as promises. Not by util.promisify: its promises are none of ours where code runs in a realm of its own (Jest). */
export type Callback = (error: Error | null, result: Buffer) => void;

export function called(start: (callback: Callback) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}
