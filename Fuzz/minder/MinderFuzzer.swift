// Feeds arbitrary packets to both ends of the conversation with the minder. What is read must be
// written as the same bytes, and what they mean must survive another way. The first byte of the
// input says how many descriptors came with the packet.

import Glibc
import Linux

@_silgen_name("LLVMFuzzerRunDriver")
func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@_cdecl("fuzz_minder_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments) { MinderFuzzer.run(UnsafeBufferPointer(start: $0, count: $1)) }
}

enum MinderFuzzer {
    static func run(_ input: UnsafeBufferPointer<UInt8>) -> CInt {
        guard let first = input.first else { return 0 }
        let bytes = Array(input.dropFirst())
        guard let message = bytes.withUnsafeBytes({ MinderMessage($0) }) else { return 0 }
        guard message.encoded == bytes else { fatalError("read and written differ") }
        let count = Int(first) % 40
        if let request = MinderRequest(message, descriptorCount: count) {
            guard MinderRequest(request.message, descriptorCount: count) == request else { fatalError("\(request)") }
        }
        if let report = MinderReport(message, descriptorCount: count) {
            guard MinderReport(report.message, descriptorCount: count) == report else { fatalError("\(report)") }
        }
        return 0
    }
}
