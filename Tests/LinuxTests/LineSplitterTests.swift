import Testing

@testable import Linux

@Suite("a child's output as lines")
struct LineSplitterTests {
    private func lines(_ pieces: [String]) -> [String] {
        var splitter = LineSplitter()
        var found: [String] = []
        for piece in pieces { Array(piece.utf8).withUnsafeBytes { splitter.feed($0) { found.append($0) } } }
        splitter.finish { found.append($0) }
        return found
    }

    @Test("lines do not depend on where reads cut them")
    func cuts() {
        let text = "one\ntwo\r\n\nlast without newline"
        let wanted = ["one", "two", "", "last without newline"]
        for cut in 0...text.utf8.count {
            let bytes = Array(text.utf8)
            let pieces = [bytes[..<cut], bytes[cut...]].map { String(decoding: $0, as: UTF8.self) }
            #expect(lines(pieces) == wanted)
        }
    }

    @Test("a line keeps 512 bytes, whatever follows up to its newline")
    func cap() {
        let found = lines([String(repeating: "x", count: 100_000) + "\nnext\n"])
        #expect(found == [String(repeating: "x", count: 512), "next"])
    }

    @Test("control characters, direction marks and broken UTF-8 cannot steer a terminal")
    func printable() {
        #expect(LineSplitter.printable(Array("a\u{1b}[2Jb\tc\u{7f}\u{9b}d\u{202e}e".utf8)) == "a?[2Jb c??d?e")
        #expect(LineSplitter.printable([0x61, 0xff, 0x62]) == "a\u{fffd}b")
    }

    @Test("a burst of 256 lines passes, then 64 a second")
    func rate() {
        var limit = LineLimit(now: 0)
        let first = (0..<1000).filter { _ in limit.admit(now: 0) }.count
        #expect(first == 256)
        #expect(limit.takeDropped() == 744)
        let second = (0..<1000).filter { _ in limit.admit(now: 1_000_000_000) }.count
        #expect(second == 64)
        let afterRest = (0..<1000).filter { _ in limit.admit(now: 1_000_000_000_000) }.count
        #expect(afterRest == 256)
    }
}
