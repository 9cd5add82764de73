// What people type: command lines (words between line feeds) and monitor keys. Whatever they are,
// an answer comes, and an accepted list survives being written and read.

import FuzzMain
import NetEmu

private final class NoEmulation: MonitorTarget {
    private var later: [() -> Void] = []
    private var count = 0

    /// Every third command is answered when the next one comes.
    func execute<Command: MonitorCommand>(
        _ command: Command, answer: @escaping (Result<Command.Answer, EmulationError>) -> Void
    ) {
        for answer in later { answer() }
        later = []
        count += 1
        if count % 3 == 0 {
            later.append { answer(.failure(EmulationError("later"))) }
        } else {
            answer(.failure(EmulationError("no emulation")))
        }
    }

    func names(of kind: MonitorParameter.Names) -> [String] { ["vn0", "vn1"] }
}

/// What SwiftPM makes `main` of this program.
@_cdecl("fuzz_options_main")
public func runOptionsFuzzer(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words, fuzzOptions)
}

func fuzzOptions(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let kind = bytes.first else { return }
    let rest = bytes.dropFirst()
    switch kind % 3 {
    case 0: fuzzCommandLine(rest)
    case 1: fuzzList(rest)
    default:
        let session = MonitorSession(target: NoEmulation())
        session.open()
        session.receive(rest)
        precondition(!session.takeOutput().isEmpty)
    }
}

private func fuzzCommandLine(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) {
    let words = bytes.split(separator: 10, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    do throws(OptionError) {
        _ = try ConfigurationBuilder.build(words, random: { 0 })
    } catch {
        // Bytes, not characters: a combining mark of the option joins the space before it.
        precondition(error.message.utf8.starts(with: "netemu: ".utf8))
    }
}

private func fuzzList(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let list = try? KeyValueList(parsing: text, implied: "type") else { return }
    guard list.pairs.allSatisfy({ !$0.key.isEmpty && $0.key != "help" && $0.key != "?" }) else { return }
    let again = try? KeyValueList(parsing: list.text, implied: nil)
    precondition(again?.pairs == list.pairs)
}
