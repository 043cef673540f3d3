// Writes the archive format that Electron reads its own start-up app from.

/**
 * A flat asar archive: two Chromium pickles (the header's size, the JSON header), then the files one after another.
 * Format: electron/asar README, "Format"; every integer is a little-endian uint32, strings are padded to 4 bytes.
 * @param {Record<string, string>} files content by name, no folders.
 * @returns {Buffer}
 */
export function packAsar(files) {
  const entries = {};
  const contents = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const content = Buffer.from(text, 'utf8');
    entries[name] = { size: content.length, offset: String(offset) };
    contents.push(content);
    offset += content.length;
  }
  const json = Buffer.from(JSON.stringify({ files: entries }), 'utf8');
  const padded = Math.ceil(json.length / 4) * 4;
  const head = Buffer.alloc(16 + padded);
  head.writeUInt32LE(4, 0); // payload of the first pickle: one uint32
  head.writeUInt32LE(8 + padded, 4); // bytes of the second pickle
  head.writeUInt32LE(4 + padded, 8); // its payload
  head.writeUInt32LE(json.length, 12);
  json.copy(head, 16);
  return Buffer.concat([head, ...contents]);
}
