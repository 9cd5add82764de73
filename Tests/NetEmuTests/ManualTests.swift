// The manual knows every option and key that the tables carry out, and nothing that they do not.

import Glibc
import Testing

@testable import NetEmu

@Suite("netemu(1)")
struct ManualTests {
    /// Text of the manual with its roff escapes undone.
    static let manual: [String] = {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        guard let file = fopen("/\(root)/man/netemu.1", "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = fread(&room, 1, room.count, file)
            if count == 0 { break }
            bytes += room[..<count]
        }
        return String(decoding: bytes, as: UTF8.self).replacing("\\-", with: "-").split(separator: "\n").map(
            String.init)
    }()

    @Test("every option that is carried out has a paragraph")
    func options() {
        #expect(!Self.manual.isEmpty)
        for row in OptionTable.implemented {
            #expect(Self.manual.contains { $0.hasPrefix("\\fB-\(row.name)\\fR") }, "-\(row.name)")
        }
    }

    /// Of lists with a section of their own; the keys of the others stand in their option's paragraph.
    static let tables = [OptionRow.netdev, .device, .chardev, .object].flatMap { $0.grammar?.heads ?? [] }

    @Test("every key has a paragraph", arguments: tables.map(\.keys))
    func keys(table: KeyTable) {
        for row in table.known {
            #expect(Self.manual.contains { $0.hasPrefix("\\fB\(row.name)=") }, "\(table.title),\(row.name)=")
        }
    }

    @Test("every kind of back-end is named where -netdev is described", arguments: NetdevKinds.names)
    func kinds(name: String) {
        let title = Self.manual.first { $0.hasPrefix("\\fB-netdev\\fR") } ?? ""
        #expect(title.contains("\\fB\(name)"), "\(name)")
    }

    @Test("every paragraph about an option is about one of the table")
    func nothingElse() {
        let bold = "\\fB-"
        for line in Self.manual where line.hasPrefix(bold) {
            let name = line.dropFirst(bold.count).prefix { $0 != "\\" }
            #expect(OptionTable.row(named: String(name))?.isImplemented == true, "\(line)")
        }
    }

    @Test("every command of the monitor is there")
    func commands() {
        let text = Self.manual.joined(separator: "\n")
        for command in CommandTable.all {
            #expect(text.contains(command.names[0]), "\(command.names[0])")
        }
    }
}
