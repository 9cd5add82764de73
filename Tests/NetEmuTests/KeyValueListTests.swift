// Lists and values: both dialects, doubled commas, sizes, ids; round trips.

import Bytes
import Testing

@testable import NetEmu

@Suite("key=value lists")
struct KeyValueListTests {
    typealias Pair = KeyValueList.Pair

    @Test("a comma in front of a combining mark is doubled like any other")
    func combiningMark() throws {
        let list = try KeyValueList(parsing: "a=b,,\u{317}c", implied: nil)
        #expect(list.pairs.count == 1)
        #expect(try KeyValueList(parsing: list.text, implied: nil).pairs == list.pairs)
    }

    @Test("a first bare word is the implied key, a doubled comma is a comma")
    func shapes() throws {
        let list = try KeyValueList(parsing: "passt,param=a,,b,param==,quiet=off", implied: "type")
        #expect(list.pairs == [Pair("type", "passt"), Pair("param", "a,b"), Pair("param", "="), Pair("quiet", "off")])
        #expect(list.all("param") == ["a,b", "="])
        #expect(try KeyValueList(parsing: "a,,b,c=", implied: "x").pairs == [Pair("x", "a,b"), Pair("c", "")])
        #expect(try KeyValueList(parsing: "", implied: "x").pairs == [])
        #expect(try KeyValueList(parsing: "a=1,", implied: nil).pairs == [Pair("a", "1")])
    }

    @Test("the strict dialect wants a value for every key")
    func strict() {
        #expect(throws: OptionError("Expected '=' after parameter 'share'")) {
            try KeyValueList(parsing: "memfd,share", implied: "t", dialect: .strict)
        }
    }

    @Test("any list of pairs survives being written and read")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 7)
        let alphabet = Array("ab=,\u{e9} .-;'\\/")
        for _ in 0..<2000 {
            let pairs = (0..<Int(random.next() % 5)).map { _ in
                Pair(
                    "k\(random.next() % 9)",
                    String(
                        (0..<Int(random.next() % 8)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] })
                )
            }
            let list = KeyValueList(pairs: pairs)
            #expect(try KeyValueList(parsing: list.text, implied: nil).pairs == pairs)
        }
    }

    @Test(
        "sizes",
        arguments: [
            ("0", 0), ("1", 1), ("1k", 1024), ("1K", 1024), ("2m", 2 << 20), ("1.5G", 3 << 29), ("0x10", 16), ("7B", 7),
            ("15E", 15 << 60), ("16E", nil), ("-1", nil), ("+1", 1), ("", nil), ("k", nil), ("1kk", nil),
            ("1..5k", nil),
            ("1.", 1), (".", nil), (".5k", 512), ("1.0B", 1), ("-0", nil), ("18446744073709551616", nil), ("1.5", nil),
            ("0x", nil), (" 1", 1), ("1 ", nil),
        ] as [(String, UInt64?)])
    func sizes(_ text: String, _ bytes: UInt64?) { #expect(Value.plainSize(text) == bytes) }

    @Test(
        "identifiers follow QEMU's rule",
        arguments: [
            ("a", true), ("net-0.b_C", true), ("", false), ("1x", false), ("a/b", false), ("a b", false), ("é", false),
            ("#net001", false),
        ])
    func identifiers(_ text: String, _ isGood: Bool) { #expect(Value.isWellFormed(id: text) == isGood) }

    @Test("the scanner never traps and never accepts what it cannot name")
    func anyWords() {
        var random = SeededGenerator(seed: 11)
        let pieces =
            OptionTable.rows.map { "-" + $0.name } + [
                "passt,vhost-user=on", "id=x", ",,,", "=", "-", "--", "", "node,run=", "~/x",
            ]
        for _ in 0..<3000 {
            let words = (0..<Int(random.next() % 6)).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }
            do throws(OptionError) { _ = try ConfigurationBuilder.build(words) } catch { #expect(!error.text.isEmpty) }
        }
    }
}
