// A reporter for node's test runner: one JSON line for each test and suite that failed, `{file, name}`.
export default async function* failed(source) {
  for await (const { type, data } of source) {
    if (type === 'test:fail') yield `${JSON.stringify({ file: data.file, name: data.name })}\n`;
  }
}
