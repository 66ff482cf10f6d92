-- Tables, strings, closures and floats in an interpreter: lua5.4 workload.lua ROUNDS
local rounds = tonumber(arg[1])

local function queens(n)
    local columns, up, down, found = {}, {}, {}, 0
    local function place(row)
        if row > n then
            found = found + 1
            return
        end
        for column = 1, n do
            if not (columns[column] or up[row + column] or down[row - column + n]) then
                columns[column], up[row + column], down[row - column + n] = true, true, true
                place(row + 1)
                columns[column], up[row + column], down[row - column + n] = nil, nil, nil
            end
        end
    end
    place(1)
    return found
end

local function words(count)
    local seen, random, parts = {}, 1, {}
    for i = 1, count do
        random = (random * 1103515245 + 12345) % 2147483648
        local word = string.format("w%d-%x", random % 97, random % 1000)
        seen[word] = (seen[word] or 0) + #word
        parts[#parts + 1] = word:upper():gsub("%-", ":")
    end
    local keys = {}
    for key in pairs(seen) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys[#keys // 2], #table.concat(parts, " ")
end

local function mandelbrot(size)
    local inside = 0
    for y = 0, size - 1 do
        for x = 0, size - 1 do
            local cr, ci, zr, zi = x / size * 3 - 2, y / size * 2 - 1, 0, 0
            local i = 0
            while i < 50 and zr * zr + zi * zi < 4 do
                zr, zi, i = zr * zr - zi * zi + cr, 2 * zr * zi + ci, i + 1
            end
            inside = inside + i
        end
    end
    return inside
end

for i = 1, rounds do
    print(i, queens(6), words(1500), mandelbrot(40))
end
