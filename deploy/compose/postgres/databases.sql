-- one database for each control plane; the schemas are made by `weft migrate up`
CREATE DATABASE weft_global;
CREATE DATABASE weft_east;
