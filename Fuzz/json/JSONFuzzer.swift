// JSON from a command line or a control client: whatever the bytes are, reading ends without a trap, and what was
// read reads as the same value when it is written. In pieces or at once makes no difference.

import FuzzMain
import NetEmu

/// What SwiftPM makes `main` of this program.
@_cdecl("fuzz_json_main")
public func runJSONFuzzer(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words, fuzzJSON)
}

func fuzzJSON(_ bytes: UnsafeBufferPointer<UInt8>) {
    var reader = JSONReader()
    var values: [JSONValue] = []
    do throws(JSONError) {
        for byte in bytes {
            try reader.feed(byte)
            while let value = reader.next() { values.append(value) }
        }
        try reader.finish()
    } catch {
        precondition(error.line >= 1 && error.column >= 1 && !error.reason.isEmpty)
    }
    while let value = reader.next() { values.append(value) }
    for value in values { precondition(read(value.text) == value) }
    fuzzList(bytes)
}

private func read(_ text: String) -> JSONValue? { try? JSONReader.read(text) }

/// The way of `-netdev '{…}'`.
private func fuzzList(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard bytes.first == UInt8(ascii: "{") else { return }
    let text = String(decoding: bytes, as: UTF8.self)
    guard let list = try? KeyValueList(parsing: text, implied: "type") else { return }
    precondition(read(text) != nil && list.dialect == .json)
}
