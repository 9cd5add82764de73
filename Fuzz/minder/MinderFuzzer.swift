// Feeds arbitrary packets to both ends of the conversation with the minder. What is read must be
// written as the same bytes, and what they mean must survive another way. The first byte of the
// input says how many descriptors came with the packet.

import FuzzMain
import Glibc
import Linux

@_cdecl("fuzz_minder_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { MinderFuzzer.run($0) }
}

enum MinderFuzzer {
    static func run(_ input: UnsafeBufferPointer<UInt8>) {
        guard let first = input.first else { return }
        let bytes = Array(input.dropFirst())
        guard let message = bytes.withUnsafeBytes({ MinderMessage($0) }) else { return }
        guard message.encoded == bytes else { fatalError("read and written differ") }
        let count = Int(first) % 40
        if let request = MinderRequest(message, descriptorCount: count) {
            guard MinderRequest(request.message, descriptorCount: count) == request else { fatalError("\(request)") }
        }
        if let report = MinderReport(message, descriptorCount: count) {
            guard MinderReport(report.message, descriptorCount: count) == report else { fatalError("\(report)") }
        }
    }
}
