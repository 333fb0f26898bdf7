// The message of a point: a body of so many bytes, headers of so many fields.

export function messageOf({ size = 256, fields = 0 } = {}) {
  const headers = Object.fromEntries(
    Array.from({ length: fields }, (_, index) => [`x-field-${index}`, `value ${index}`]),
  );
  return {
    body: Buffer.alloc(size, 'x'),
    properties: { contentType: 'application/octet-stream', ...(fields > 0 ? { headers } : {}) },
  };
}
