// Feeds the borders of RepairHelper: the bytes of a connection that travelled, a helper's conversation, a server's. The
// first byte of the input says which.

import FuzzMain
import Glibc

@_cdecl("fuzz_repair_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { input in
        var bytes = ArraySlice(Array(input))
        switch (bytes.popFirst() ?? 0) % 4 {
        case 0: Travelled.read(Array(bytes))
        case 1: Travelled.make(Script(bytes))
        case 2: HelperConversation(Script(bytes)).play()
        default:
            var history = ServerHistory(Script(bytes))
            history.play()
        }
    }
}

/// The input as numbers; zeros when it is used up.
struct Script {
    private var rest: ArraySlice<UInt8>
    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isEmpty: Bool { rest.isEmpty }
    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }
    mutating func flag() -> Bool { byte() & 1 != 0 }
    mutating func integer<Number: FixedWidthInteger>(_: Number.Type = Number.self) -> Number {
        (0..<Number.bitWidth / 8).reduce(0) { value, _ in value << 8 | Number(truncatingIfNeeded: byte()) }
    }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in byte() } }
}

func demand(_ condition: Bool, _ text: @autoclosure () -> String) {
    if !condition { fatalError(text()) }
}
