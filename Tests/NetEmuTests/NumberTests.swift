// Numbers of options, as C's strtoll with base 0 reads them (measured with `-netdev hubport,hubid=` of QEMU 11.1), and
// which of several ids counts.

import Bytes
import Testing

@testable import NetEmu

@Suite("numbers and ids of options")
struct NumberTests {
    @Test(
        "numbers",
        arguments: [
            ("010", 8), ("08", nil), ("-0x1", -1), (" 1", 1), ("1 ", nil), ("0x-1", nil), ("+1", 1), ("-", nil),
            ("0x", nil),
            ("0X1F", 31), ("0b11", 3), ("0B2", nil), ("--1", nil), ("-010", -8), ("", nil), ("0", 0), ("00", 0),
            ("-0", 0),
            ("9223372036854775807", .max), ("9223372036854775808", nil), ("-9223372036854775808", .min),
            ("-9223372036854775809", nil), ("0x7fffffffffffffff", .max), ("\t\n1", 1), ("1_0", nil), ("0x+1", nil),
            ("٣", nil),
        ] as [(String, Int64?)])
    func numbers(_ text: String, _ value: Int64?) { #expect(Value.plainInteger(text) == value) }

    @Test("no text traps, and every number survives its own text in each base")
    func anything() {
        var random = SeededGenerator(seed: 3)
        let alphabet = Array("0123456789abxXB+- .\t")
        for _ in 0..<5000 {
            let text = String(
                (0..<Int(random.next() % 24)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] })
            _ = Value.plainInteger(text)
            _ = Value.readSize(text)
            let number = Int64(bitPattern: random.next())
            let magnitude = number.magnitude
            let sign = number < 0 ? "-" : ""
            #expect(Value.plainInteger("\(number)") == number)
            #expect(Value.plainInteger("\(sign)0x" + String(magnitude, radix: 16)) == number)
            #expect(Value.plainInteger("\(sign)0" + String(magnitude, radix: 8)) == number)
        }
    }

    @Test(
        "of several ids the first counts where the list is read the short way",
        arguments: [
            ("-netdev hubport,id=n0,id=n1,hubid=0", "n0"), ("-netdev hubport,id=n1,id=1n,hubid=0", "n1"),
            ("-nic hubport,id=n0,id=n1,hubid=0", "n0"), ("-netdev hubport,id,hubid=0", "on"),
            ("-netdev stream,id=n0,id=n1,addr.type=unix,addr.path=/s", "n1"),
        ])
    func ids(_ line: String, _ id: String) throws {
        #expect(try CommandLineTests.build(line).topology.clients.first { !$0.isCard }?.name == id)
    }

    @Test("so it is for cards and character devices")
    func otherIDs() throws {
        let made = try CommandLineTests.build(
            "-nodefaults -device virtio-net-pci,id=d0,id=d1 -chardev null,id=c0,id=c1")
        #expect(made.topology.clients.map(\.name) == ["d0"])
        #expect(made.chardevs.map(\.id) == ["c0"])
    }

    @Test("a repeated key that is no id is overridden")
    func otherKeys() throws {
        #expect(try CommandLineTests.build("-netdev hubport,id=n0,hubid=0,hubid=1").topology.hubs.map(\.id) == [1])
    }

    @Test(
        "more than 64 bits are told as such where QEMU tells it, and what is no number is none",
        arguments: [
            ("18446744073709551616", true), ("-99999999999999999999", true), ("0x1ffffffffffffffff", true),
            ("99999999999999999999x", false), ("18446744073709551616 ", false), ("x", false), ("0x", false),
            ("-", false), ("07777777777777777777777778", false), ("077777777777777777777777777", true),
        ])
    func tooLarge(_ text: String, _ isTooLarge: Bool) {
        let said =
            isTooLarge ? "Value '\(text)' is too large for parameter 'slots'" : "Parameter 'slots' expects a number"
        let list = "64M,slots=\(text),maxmem=1G"
        #expect(ObstacleTests.refused(["-nic", "none", "-m", list]) == ["netemu: -m \(list): \(said)"])
    }

    @Test(
        "a number that does not fit its type, used or not",
        arguments: [
            ("{\"keep-alive-idle\":99999999999", "Parameter 'keep-alive-idle' expects uint32_t"),
            ("{\"keep-alive\":false,\"keep-alive-count\":-1", "Parameter 'keep-alive-count' expects uint32_t"),
            ("{\"to\":65536", "Parameter 'to' expects uint16_t"),
            ("{\"to\":\"5\"", "Parameter 'addr.to' expects uint64"),
        ])
    func fitting(_ members: String, _ text: String) {
        let address = members + #","type":"inet","host":"h","port":"5"}"#
        let list = #"{"type":"stream","id":"n","addr":\#(address)}"#
        #expect(ObstacleTests.refused(["-netdev", list]) == ["netemu: -netdev \(list): \(text)"])
    }
}
