import Linux
import Testing

@Suite("text of the system")
struct SystemTextTests {
    @Test("every sequence of bytes comes back as it was")
    func roundTrip() {
        var generator = SystemRandomNumberGenerator()
        for length in 0..<200 {
            // Bytes around the ends of ASCII, of continuation bytes, and of the characters that stand in.
            let common: [UInt8] = [0x2f, 0x61, 0x7f, 0x80, 0x8f, 0xbe, 0xbf, 0xc3, 0xa9, 0xed, 0xa0, 0xf4, 0xff]
            let bytes = (0..<length).map { _ in common.randomElement(using: &generator) ?? 0 }
            #expect(String(systemBytes: bytes).systemBytes == bytes)
        }
        for first in UInt8.min...UInt8.max {
            for second in UInt8.min...UInt8.max {
                #expect(String(systemBytes: [first, second]).systemBytes == [first, second])
            }
        }
    }

    @Test("valid text is the text itself; two different names never look the same")
    func validText() {
        let text = "/tmp/caf\u{e9} \u{1f600}"
        #expect(String(systemBytes: Array(text.utf8)) == text)
        #expect(text.systemBytes == Array(text.utf8))
        #expect(text.systemPath.last == 0 && text.systemPath.count == text.utf8.count + 1)
        let latin: [UInt8] = [0x63, 0x61, 0x66, 0xe9]
        #expect(String(systemBytes: latin) != String(systemBytes: latin.dropLast() + [0xe8]))
        // A character that stands in for a byte elsewhere is not taken for that byte here.
        let standIn = Array("\u{10ffe9}".utf8)
        #expect(String(systemBytes: standIn) != String(systemBytes: [0xe9]))
        #expect(String(systemBytes: standIn).systemBytes == standIn)
    }
}
