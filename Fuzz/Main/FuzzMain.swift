// What all fuzz targets share: the door to libFuzzer. A target has one function that SwiftPM makes its `main`:
//
//     @_cdecl("fuzz_NAME_main")
//     public func main(_ count: CInt, _ words: FuzzWords?) -> CInt { fuzzMain(count, words) { input in … } }

/// argv.
public typealias FuzzWords = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>, _ words: UnsafeMutablePointer<FuzzWords?>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Set once, before libFuzzer runs.
nonisolated(unsafe) private var target: (UnsafeBufferPointer<UInt8>) -> Void = { _ in }

/// Runs libFuzzer with the program's own arguments; `body` is given one input after another, on one thread. What it
/// finds it says by a trap.
public func fuzzMain(_ count: CInt, _ words: FuzzWords?, _ body: @escaping (UnsafeBufferPointer<UInt8>) -> Void) -> CInt
{
    target = body
    var (count, words) = (count, words)
    return runDriver(&count, &words) { start, size in
        target(UnsafeBufferPointer(start: start, count: size))
        return 0
    }
}
