// What is inside a built cuda library: the kernels of each architecture with their sizes, read from the file itself, because
// NVIDIA's tools that would say it are not always there. nvcc compiles block-scaled MMA for plain sm_120 to an empty kernel
// and says nothing, so the build looks.
import { readFileSync } from 'node:fs';

/** A kernel that does nothing is one or two padded lines of 128 bytes. */
const emptyBytes = 256;

/** Sections of a 64-bit little-endian ELF file: name, offset and size. */
function sectionsOf(elf) {
  const at = Number(elf.readBigUInt64LE(0x28));
  const size = elf.readUInt16LE(0x3a);
  const headers = Array.from({ length: elf.readUInt16LE(0x3c) }, (_, i) => elf.subarray(at + i * size));
  const section = (header) => ({
    nameAt: header.readUInt32LE(0),
    type: header.readUInt32LE(4),
    offset: Number(header.readBigUInt64LE(0x18)),
    size: Number(header.readBigUInt64LE(0x20)),
  });
  const all = headers.map(section);
  const names = all[elf.readUInt16LE(0x3e)];
  return all.map((one) => {
    const start = names.offset + one.nameAt;
    return { ...one, name: elf.toString('latin1', start, elf.indexOf(0, start)) };
  });
}

/**
 * The kernels in the fat binaries of a library or object built with --no-compress.
 * Layout: CUDA toolkit's fatbinary_section.h; each entry has kind (2 = ELF) at 0, header size at 4, size at 8, SM number at 28.
 * @param {Buffer} file a 64-bit ELF file
 * @returns {{ sm: number, kernel: string, bytes: number }[]} kernel names are mangled; `bytes` is the size of the code
 * @throws Error when a fat binary is not of the known layout or is compressed
 */
export function kernelsOf(file) {
  const found = [];
  const section = sectionsOf(file).find(({ name }) => name === '.nv_fatbin');
  if (!section) return found;
  const data = file.subarray(section.offset, section.offset + section.size);
  for (let at = 0; at + 16 <= data.length; ) {
    if (data.readUInt32LE(at) !== 0xba55ed50) {
      at += 8; // padding between fat binaries
      continue;
    }
    const end = at + data.readUInt16LE(at + 6) + Number(data.readBigUInt64LE(at + 8));
    at += data.readUInt16LE(at + 6);
    while (at < end) {
      const header = data.readUInt32LE(at + 4);
      const size = Number(data.readBigUInt64LE(at + 8));
      if (data.readUInt16LE(at) === 2) {
        const cubin = data.subarray(at + header, at + header + size);
        if (cubin.readUInt32BE(0) !== 0x7f454c46) throw new Error('a kernel image is compressed or of an unknown kind');
        for (const { name, size: bytes } of sectionsOf(cubin)) {
          if (name.startsWith('.text.')) found.push({ sm: data.readUInt32LE(at + 28), kernel: name.slice(6), bytes });
        }
      }
      at += header + size;
    }
  }
  return found;
}

/**
 * Asserts that a library holds kernels for every wanted architecture and none that is empty.
 * @param {string} path the library
 * @param {number[]} wanted SM numbers
 * @returns {string} what is in it, for people
 * @throws Error naming the architecture or the empty kernels
 */
export function checkCudaLibrary(path, wanted) {
  const kernels = kernelsOf(readFileSync(path));
  const absent = wanted.filter((sm) => !kernels.some((kernel) => kernel.sm === sm));
  if (absent.length > 0) throw new Error(`${path} has no kernel for ${absent.map((sm) => `sm_${sm}`).join(', ')}`);
  const empty = kernels.filter(({ bytes }) => bytes <= emptyBytes);
  if (empty.length > 0) {
    const names = empty.map(({ sm, kernel }) => `sm_${sm} ${kernel}`).slice(0, 5);
    throw new Error(
      `${path} has ${empty.length} empty kernels (at most ${emptyBytes} bytes of code), so a -gencode option or an #if around the code is wrong: ${names.join('; ')}`,
    );
  }
  return wanted.map((sm) => `${kernels.filter((kernel) => kernel.sm === sm).length} kernels for sm_${sm}`).join(', ');
}
