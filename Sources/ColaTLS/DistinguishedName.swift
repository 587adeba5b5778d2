package import ColaCore

/// The name of whom a certificate was made out to.
///
/// Shape:  lists of attributes, the most general first, as they stand in the certificate
/// Source: RFC 5280, section 4.1.2.6; as a text RFC 4514, with RabbitMQ's names of attributes
struct DistinguishedName {
    private struct Attribute {
        /// As in the certificate.
        let type: ArraySlice<UInt8>
        let tag: UInt8
        let value: ArraySlice<UInt8>
    }

    private var parts: [[Attribute]] = []

    /// - Parameter certificate: in DER.
    init?(certificate: [UInt8]) {
        var reader = DERReader(certificate[...])
        guard let whole = reader.next(DERReader.Tag.sequence) else { return nil }
        reader = DERReader(whole)
        guard let signed = reader.next(DERReader.Tag.sequence) else { return nil }
        reader = DERReader(signed)
        if reader.nextTag == DERReader.Tag.context0 { _ = reader.next() }
        // Serial number, algorithm, issuer, validity.
        guard reader.next(DERReader.Tag.integer) != nil else { return nil }
        for _ in 0..<3 where reader.next(DERReader.Tag.sequence) == nil { return nil }
        guard let subject = reader.next(DERReader.Tag.sequence) else { return nil }
        reader = DERReader(subject)
        while !reader.isAtEnd {
            guard let set = reader.next(DERReader.Tag.set) else { return nil }
            var attributes: [Attribute] = []
            var members = DERReader(set)
            while !members.isAtEnd {
                guard let pair = members.next(DERReader.Tag.sequence) else { return nil }
                var halves = DERReader(pair)
                guard let type = halves.next(DERReader.Tag.objectIdentifier), let value = halves.next() else {
                    return nil
                }
                attributes.append(Attribute(type: type, tag: value.tag, value: value.content))
            }
            parts.append(attributes)
        }
    }

    /// `CN=ana,OU=Orders,O=Example`: the most special first.
    var text: String {
        parts.reversed().map { $0.map(Self.spell).joined(separator: "+") }.joined(separator: ",")
    }

    /// The most special of its common names.
    var commonName: String? {
        for attribute in parts.reversed().joined() where Self.names[Array(attribute.type)] == "CN" {
            return Self.text(attribute)
        }
        return nil
    }

    private static func spell(_ attribute: Attribute) -> String {
        let name = names[Array(attribute.type)]
        if let name, let text = text(attribute) { return "\(name)=\(escaped(text))" }
        let hex = attribute.value.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "\(name ?? dotted(attribute.type))=#\(hex)"
    }

    private static func text(_ attribute: Attribute) -> String? {
        let bytes = attribute.value
        switch attribute.tag {
        // UTF-8, and types of which ASCII alone is in use.
        case 0x0C, 0x12, 0x13, 0x16, 0x1A: return String(validating: bytes, as: UTF8.self)
        // Latin 1.
        case 0x14: return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        // UTF-16.
        case 0x1E where bytes.count % 2 == 0:
            let units = stride(from: bytes.startIndex, to: bytes.endIndex, by: 2).map {
                UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1])
            }
            return String(validating: units, as: UTF16.self)
        default: return nil
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for (index, scalar) in text.unicodeScalars.enumerated() {
            let isLast = index == text.unicodeScalars.count - 1
            switch scalar {
            case "\"", "+", ",", ";", "<", ">", "\\": result += "\\\(scalar)"
            case "#" where index == 0: result += "\\#"
            case " " where index == 0 || isLast: result += "\\ "
            // Names stand in logs and listings.
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                result += "\\" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// `1.2.840.113549`
    private static func dotted(_ type: ArraySlice<UInt8>) -> String {
        var arcs: [UInt64] = []
        var arc: UInt64 = 0
        for byte in type {
            arc = arc << 7 | UInt64(byte & 0x7F)
            guard byte & 0x80 == 0 else { continue }
            if arcs.isEmpty {
                let first = min(arc / 40, 2)
                arcs = [first, arc - first * 40]
            } else {
                arcs.append(arc)
            }
            arc = 0
        }
        return arcs.map(String.init).joined(separator: ".")
    }

    private static let names: [[UInt8]: String] = [
        [85, 4, 3]: "CN", [85, 4, 4]: "SN", [85, 4, 5]: "SERIALNUMBER", [85, 4, 6]: "C", [85, 4, 7]: "L",
        [85, 4, 8]: "ST", [85, 4, 9]: "STREET", [85, 4, 10]: "O", [85, 4, 11]: "OU", [85, 4, 12]: "TITLE",
        [85, 4, 42]: "GIVENNAME", [85, 4, 43]: "INITIALS", [85, 4, 44]: "GENERATIONQUALIFIER",
        [85, 4, 46]: "DNQUALIFIER", [85, 4, 65]: "PSEUDONYM",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 1, 1]: "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 1, 25]: "DC",
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 1]: "EMAILADDRESS",
    ]
}

extension PeerCertificate {
    /// Nil: bytes that are no certificate.
    package init?(der: [UInt8]) {
        guard let name = DistinguishedName(certificate: der) else { return nil }
        self.init(subject: name.text, commonName: name.commonName)
    }
}
